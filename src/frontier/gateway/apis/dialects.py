"""Where engines differ in OpenAI's chat API: the fields that only some of them know."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

_TEMPLATE: Final = "chat_template_kwargs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one kind of engine wants to be asked.

    Attributes:
        reasoning: The message field that takes earlier reasoning back, "" if none does.
        asks_usage: A stream has its usage only with ``stream_options``.
        switch: How thinking is turned on and off: in the template, by a field of its own, only off
            by ``reasoning_effort``, or not at all.
        budget: The field that bounds the tokens of thinking, "" if none does.
        takes_effort: ``reasoning_effort`` does no harm to models that cannot think.
        prefill: What makes it go on with the last message of the assistant, None if nothing does.
        echoes_prefill: A whole answer repeats that message.
    """

    reasoning: str = ""
    asks_usage: bool = True
    switch: Literal["template", "field", "effort", ""] = ""
    budget: str = ""
    takes_effort: bool = True
    prefill: Mapping[str, Any] | None = None
    echoes_prefill: bool = False

    def thinking(self, *, is_on: bool, budget_tokens: int | None = None) -> dict[str, Any]:
        """Return the fields that turn thinking on or off."""
        fields: dict[str, Any] = {}
        if self.switch == "template":
            fields[_TEMPLATE] = {"enable_thinking": is_on}
        elif self.switch == "field":
            fields["enable_thinking"] = is_on
        elif self.switch == "effort" and not is_on:
            fields["reasoning_effort"] = "none"
        if is_on and self.budget and budget_tokens is not None:
            fields[self.budget] = budget_tokens
        return fields


_OTHER: Final = Dialect()
_DIALECTS: Final = {
    "llamacpp": Dialect(
        reasoning="reasoning_content",
        switch="template",
        budget="thinking_budget_tokens",
        # its templates refuse to begin with a thought where the answer has begun
        prefill={_TEMPLATE: {"enable_thinking": False}},
        echoes_prefill=True,
    ),
    "vllm": Dialect(
        reasoning="reasoning",
        switch="template",
        prefill={"continue_final_message": True, "add_generation_prompt": False},
    ),
    "mistral": Dialect(reasoning="reasoning_content", asks_usage=False, switch="field"),
    # it answers 400 when a model is to think that cannot
    "ollama": Dialect(reasoning="reasoning", switch="effort", takes_effort=False),
}


def dialect(backend: str) -> Dialect:
    """Return how the engines of the kind *backend* want to be asked."""
    return _DIALECTS.get(backend, _OTHER)

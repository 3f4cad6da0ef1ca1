"""Ollama's options, checked, and as engines take them."""

from typing import Final

import msgspec

from frontier.gateway.apis.ollama_body import Json, bad

_FLOATS: Final = {
    "temperature",
    "top_p",
    "min_p",
    "typical_p",
    "repeat_penalty",
    "presence_penalty",
    "frequency_penalty",
    "mirostat_tau",
    "mirostat_eta",
}
_INTEGERS: Final = {
    "num_ctx",
    "num_batch",
    "num_gpu",
    "main_gpu",
    "num_thread",
    "num_keep",
    "num_predict",
    "seed",
    "top_k",
    "repeat_last_n",
    "mirostat",
    "draft_num_predict",
}
_LARGEST: Final = 2**63 - 1
_STANDARD: Final = ("temperature", "top_p", "presence_penalty", "frequency_penalty")
_COMMON: Final = ("top_k", "min_p")
# What an engine takes beside OpenAI's fields, and how it calls it.
_EXTRAS: Final[dict[str, dict[str, str]]] = {
    "llamacpp": {
        **{name: name for name in _COMMON},
        "typical_p": "typical_p",
        "repeat_penalty": "repeat_penalty",
        "repeat_last_n": "repeat_last_n",
        "num_keep": "n_keep",
        "mirostat": "mirostat",
        "mirostat_tau": "mirostat_tau",
        "mirostat_eta": "mirostat_eta",
    },
    "vllm": {**{name: name for name in _COMMON}, "repeat_penalty": "repetition_penalty"},
    "mistral": {**{name: name for name in _COMMON}, "repeat_penalty": "repetition_penalty"},
    "openai": {},
}


def checked(options: Json | None) -> Json:
    """Return the options that are known and given; the others are ignored, as Ollama does.

    Raises:
        BadRequestError: an option has the wrong type.
    """
    found = {name: value for name, value in (options or {}).items() if value is not None}
    return {n: _checked(n, v) for n, v in found.items() if n in _FLOATS | _INTEGERS or n == "stop"}


def _checked(name: str, value: object) -> object:
    if name == "stop":
        try:
            return msgspec.convert(value, list[str])
        except msgspec.ValidationError as error:
            raise _wrong(name, "array of strings") from error
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(name, "float32" if name in _FLOATS else "integer")
    if name in _FLOATS:
        return value
    if value != int(value) or abs(value) > _LARGEST:
        raise _wrong(name, "integer")
    return int(value)


def _wrong(name: str, kind: str) -> Exception:
    return bad(f'option "{name}" must be of type {kind}')


def sampling(options: Json, backend: str) -> Json:
    """Return checked *options* as fields of a request to an engine.

    Values that engines refuse and that mean "your default" are left out: so is -1 for the length
    of repetitions looked at, which llama.cpp does not take.
    """
    fields: Json = {name: options[name] for name in _STANDARD if name in options}
    if options.get("stop"):
        fields["stop"] = options["stop"]
    if _is_at_least(options, "num_predict", 1):
        fields["max_tokens"] = options["num_predict"]
    if _is_at_least(options, "seed", 0):
        fields["seed"] = options["seed"]
    for name, theirs in _EXTRAS.get(backend, {}).items():
        if _is_meant(options, name):
            fields[theirs] = options[name]
    return fields


def _is_meant(options: Json, name: str) -> bool:
    if name == "repeat_penalty":
        return _is_above_zero(options.get(name))
    if name == "repeat_last_n":
        return _is_at_least(options, name, 0)
    return name in options


def _is_at_least(options: Json, name: str, least: int) -> bool:
    value = options.get(name)
    return isinstance(value, int) and value >= least


def _is_above_zero(value: object) -> bool:
    return isinstance(value, int | float) and value > 0


def thinking(think: bool | str | None, backend: str) -> Json:
    """Return the fields that make an engine think as much as *think* says; none where it is None.

    Models think if they can unless they are told not to, so "yes" needs no word at an engine that
    has none for it.
    """
    if think is None:
        return {}
    effort: Json = {"reasoning_effort": think} if isinstance(think, str) else {}
    match backend:
        case "openai":
            return {"reasoning_effort": "none"} if think is False else effort
        case "mistral":
            return {"enable_thinking": bool(think), **effort}
        case _:
            return {"chat_template_kwargs": {"enable_thinking": bool(think)}, **effort}


def constraint(form: Json | str | None, backend: str, *, is_chat: bool) -> Json:
    """Return the fields that hold an answer to *form*, a JSON schema or ``json``.

    Raises:
        BadRequestError: some other word.
    """
    if form is None or form == "":
        return {}
    if isinstance(form, str) and form != "json":
        raise bad(f'invalid format: "{form}" (must be "json" or a JSON schema)')
    if not is_chat and backend == "llamacpp":  # its completions know `json_schema` alone
        return {"json_schema": {} if isinstance(form, str) else form}
    if isinstance(form, str):
        return {"response_format": {"type": "json_object"}}
    named = {"name": "schema", "schema": form}
    return {"response_format": {"type": "json_schema", "json_schema": named}}

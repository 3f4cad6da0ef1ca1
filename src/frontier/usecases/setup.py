"""From questions to a stack that gives a token: what can be chosen, what it means, and doing it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from frontier.domain.errors import FrontierError, UsageError
from frontier.domain.machine import Machine
from frontier.domain.placement import Placement
from frontier.domain.recommend import Recommendation
from frontier.domain.setting import Setting
from frontier.domain.setup import VARIABLES, Answers, Option, SettingChange, changes
from frontier.domain.stack import Stack
from frontier.domain.wanted import Listening
from frontier.ports import StackSource
from frontier.usecases.up import StackUp, describe

_ALTERNATIVES: Final = 2
_UNCONFIGURED: Final = "default"
_SMALLEST: Final = "tiny, from the package index: shows that all works, no more"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupPlan:
    """What the answers lead to.

    Attributes:
        settings: What the answers set, by variable; what the environment says is left to it.
        changes: Lines of ``.env``.
        key: Name of the key to be made, "" for none.
        preview: What `up` would do.
    """

    answers: Answers
    settings: Mapping[str, str]
    changes: tuple[SettingChange, ...]
    key: str
    preview: StackUp


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUp:
    """What the wizard did.

    Attributes:
        secret: Of the key that was made, told this once; "" for none.
        up: The proof; None in a dry run.
        command: What to type for `frontier`.
    """

    plan: SetupPlan
    applied: bool
    up: StackUp | None = None
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Wizard:
    """One run of the wizard, with all it asks of the outside.

    Attributes:
        stacks: The stacks that there are.
        names: Their names.
        machine: What computes.
        place: Decides what runs a stack; raises where nothing can.
        recommend: Returns what should run, best first; of one stack where it is named.
        current: Returns a setting as it is now.
        written: Returns what ``.env`` says for a variable, None for nothing.
        default: Returns a variable's default.
        docker: Returns what keeps Docker from working, "" for nothing.
        require_model: Raises where a stack cannot get a model: unknown, or not to be reached now.
        has_key: The gateway knows a key already.
        is_set_up: Something was brought up here before, so what holds is what was wanted.
        taken: Returns who else listens on the gateway's port of an address, "" for nobody, and a
            port that is free.
        preview: Returns what `up` would do with settings, and with a key to be made.
    """

    stacks: StackSource
    names: Sequence[str]
    machine: Callable[[], Machine]
    place: Callable[[Stack, Machine], Placement]
    recommend: Callable[[str], tuple[Recommendation, ...]]
    current: Callable[[str], Setting]
    written: Callable[[str], str | None]
    default: Callable[[str], str]
    docker: Callable[[], str]
    require_model: Callable[[str, str], object]
    has_key: bool
    is_set_up: bool
    taken: Callable[[str], tuple[str, int]]
    preview: Callable[[dict[str, str], bool], StackUp]

    def findings(self) -> tuple[str, ...]:
        """Return what was found out about the machine, line by line."""
        problem = self.docker()
        return (
            describe(self.machine()),
            f"Docker: {problem or 'works'}",
            *(f"recommended: {r.stack} with {r.model}: {r.reason}" for r in self.recommend("")[:1]),
        )

    def stack_options(self) -> tuple[Option, ...]:
        """Return the stacks, the recommended one first, those that cannot run here last."""
        machine, best = self.machine(), [r.stack for r in self.recommend("")]
        found = [self._stack_option(name, machine) for name in self.names]
        rank = {name: i for i, name in reversed([*enumerate(best)])}
        return tuple(sorted(found, key=lambda o: (not o.is_possible, rank.get(o.value, len(best)))))

    def _stack_option(self, name: str, machine: Machine) -> Option:
        try:
            stack = self.stacks.load(name)
            placed = self.place(stack, machine)
        except FrontierError as error:
            return Option(name, error.message, is_possible=False)
        where = {"native": "on the host", "docker": "in Docker", "hybrid": "host and Docker"}
        place = f"{where[placed.runtime]}, {placed.choice.accelerator}"
        return Option(name, f"{stack.title}, {place}")

    def model_options(self, stack: str) -> tuple[Option, ...]:
        """Return the model of today, if any, the best ones, and one that is always to be had."""
        best = self.recommend(stack)[: _ALTERNATIVES + 1]
        known = {r.model: r.reason for r in reversed(best)}
        known = dict(reversed([*known.items()]))
        now = self._configured("model")
        if now and now not in known:
            known = {now: "as it is now", **known}
        if self.stacks.load(stack).model_format == "gguf":
            known.setdefault(self.default(VARIABLES["model"]), _SMALLEST)
        return tuple(Option(name, note) for name, note in known.items())

    def suggested(self, question: str, answers: Answers) -> str:
        """Return the answer to begin with: what holds today, else what is recommended."""
        if question == "key":
            return ""
        if question == "port":
            return self._port(answers)
        if now := self._configured(question):
            return now
        best = next(iter(self.recommend(answers.stack or "")), None)
        if best is not None and question in ("stack", "model"):
            return best.stack if question == "stack" else best.model
        if best is not None and question == "context" and best.model == answers.model:
            return str(best.context)
        return self.default(VARIABLES[question])

    def _port(self, answers: Answers) -> str:
        """Return today's port, or a free one where somebody else has that."""
        problem, free = self.taken(answers.bind or "")
        return str(free) if problem else self.current(VARIABLES["port"]).value

    def _configured(self, question: str) -> str:
        """Return the value that holds by somebody's wish, "" where it is only the default."""
        setting = self.current(VARIABLES[question])
        is_wanted = self.is_set_up or setting.origin != _UNCONFIGURED
        return setting.value if is_wanted else ""

    def needs_key(self, answers: Answers) -> bool:
        """Tell whether the gateway must have a key that is not there yet."""
        address = Listening(address=answers.bind or "127.0.0.1", ports=())
        return not address.is_loopback and not self.has_key

    def can_monitor(self, answers: Answers) -> bool:
        """Tell whether the chosen stack runs where monitoring can."""
        try:
            placed = self.place(self.stacks.load(answers.stack or ""), self.machine())
        except FrontierError:
            return False
        return placed.runtime != "native"

    def plan(self, answers: Answers) -> SetupPlan:
        """Return what *answers*, all given, lead to; changes nothing.

        Raises:
            UsageError: the environment says otherwise, or a key is missing.
            FrontierError: what `up` would refuse.
        """
        settings = {n: v for n, v in answers.settings.items() if self._takes_effect(n, v)}
        if self.needs_key(answers) and not answers.key:
            raise UsageError(
                f"{answers.bind} opens the gateway to others, and there is no key",
                hint="frontier setup --key NAME makes one.",
            )
        preview = self.preview(settings, bool(answers.key))
        return SetupPlan(
            answers=answers,
            settings=settings,
            changes=changes(settings, self.written, self.default),
            key=answers.key or "",
            preview=preview,
        )

    def _takes_effect(self, name: str, value: str) -> bool:
        """Tell whether *name* is ours to set; what the environment says must be the same."""
        setting = self.current(name)
        if setting.origin != "environment":
            return True
        if setting.value != value:
            raise UsageError(
                f"the environment says {name}={setting.value}, and it has precedence",
                hint=f"unset {name} && frontier setup",
            )
        return False

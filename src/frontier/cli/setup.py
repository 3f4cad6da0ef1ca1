"""`frontier setup`: the wizard, from a look at the machine to a streamed token."""

import shutil
import textwrap
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from frontier.bootstrap import Services
from frontier.bootstrap.setup import SettingUp
from frontier.cli import output
from frontier.cli.ask import asker, complaint
from frontier.cli.lifecycle import bring_up
from frontier.cli.output import size, text
from frontier.cli.session import DryRun, Json, Quiet, Session
from frontier.domain import setup as domain
from frontier.domain.errors import RefusedError, UsageError
from frontier.domain.setup import Answers, Option
from frontier.ports import Reporter, Task
from frontier.usecases.setup import SetUp, SetupPlan, Wizard

_ANYWHERE = "0.0.0.0"  # noqa: S104 - offered, and only with a key
_FLAGS = "--stack --model --context --monitoring/--no-monitoring --bind --port --key"


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(setup)


def _stacks(ctx: typer.Context, incomplete: str) -> list[str]:
    session: Session = ctx.obj or Session()
    return [name for name in session.services.stacks.names() if name.startswith(incomplete)]


def setup(
    ctx: typer.Context,
    *,
    stack: Annotated[
        str | None, typer.Option("--stack", help="The engine.", autocompletion=_stacks)
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="A catalog name or a source.")
    ] = None,
    context: Annotated[
        str | None, typer.Option("--context", help="Tokens of one request: 8192, or 8k.")
    ] = None,
    monitoring: Annotated[
        bool | None,
        typer.Option("--monitoring/--no-monitoring", help="Prometheus and Grafana, in Docker."),
    ] = None,
    bind: Annotated[
        str | None, typer.Option("--bind", help="Address to listen on; 127.0.0.1 is this machine.")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", help="The gateway's port; asked for if it is taken.")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", help='Make an API key of this name; "" for none.')
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing: what holds, else what is recommended.")
    ] = False,
    answers: Annotated[
        Path | None, typer.Option("--answers", help="Answers in a YAML file; flags go first.")
    ] = None,
    save_answers: Annotated[
        Path | None, typer.Option("--save-answers", help="Write the answers to a file.")
    ] = None,
    dry_run: DryRun = False,
    _json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Set everything up, with questions: engine, model, context, address and key.

    Looks at the machine, proposes what fits, shows the plan with what will be downloaded, and
    does it up to a streamed token. Run again, it begins from what is set. Ctrl-C changes nothing.

    Examples:
        frontier setup
        frontier setup --yes
        frontier setup --stack llamacpp --model smollm2:135m --yes
        frontier setup --answers answers.yaml --yes
    """
    session: Session = ctx.obj
    flags = {
        "stack": stack,
        "model": model,
        "context": context,
        "monitoring": monitoring,
        "bind": bind,
        "port": None if port is None else str(port),
        "key": key,
    }
    given = _given(answers, flags)
    if not (yes or dry_run or session.is_interactive):
        raise UsageError(
            "setup asks questions, and there is no terminal to ask in",
            hint=f"frontier setup --yes takes what is recommended; {_FLAGS}"
            " or --answers FILE say otherwise.",
        )
    wizard = SettingUp(session.services).wizard()
    if not session.as_json:
        _tell(wizard)
    plan = _Interview(wizard, asks=session.is_interactive and not yes).plan(given)
    if save_answers:
        _save(save_answers, plan.answers)
    if dry_run:
        session.show(SetUp(plan=plan, applied=False))
        return
    if not yes:
        _confirm(plan)
    session.show(_carry_out(session, plan))


def _given(file: Path | None, flags: dict[str, Any]) -> Answers:
    """Return what flags and file say; flags go first."""
    from frontier.adapters import answers_file

    read = answers_file.read(file) if file else Answers()
    checks = {
        "context": domain.context,
        "bind": domain.address,
        "port": domain.port,
        "key": domain.key_name,
    }
    said: dict[str, Any] = {
        k: checks[k](v) if k in checks else v for k, v in flags.items() if v is not None
    }
    return replace(read, **said)


def _save(path: Path, answers: Answers) -> None:
    from frontier.adapters import answers_file

    answers_file.write(path, answers)


def _tell(wizard: Wizard) -> None:
    for line in wizard.findings():
        _wrapped(line)
    output.line("")


def _wrapped(line: str, indent: str = "") -> None:
    width = max(shutil.get_terminal_size().columns, 40)
    output.line(
        textwrap.fill(
            line,
            width,
            initial_indent=indent,
            subsequent_indent=f"{indent}  ",
            break_on_hyphens=False,
            break_long_words=False,
        )
    )


class _Interview:
    """Asks what was not given, one question after the other."""

    def __init__(self, wizard: Wizard, *, asks: bool) -> None:
        self._wizard, self._asks = wizard, asks
        self._asker = asker()

    def plan(self, given: Answers) -> SetupPlan:
        """Return what the answers lead to."""
        answers = given
        for name, ask in self._questions().items():
            if getattr(answers, name) is None:
                suggested = self._wizard.suggested(name, answers)
                answer: Any = ask(answers, suggested)
                answers = replace(answers, **{name: answer})
        return self._wizard.plan(answers)

    def _questions(self) -> dict[str, Callable[[Answers, str], object]]:
        return {
            "stack": self._stack,
            "model": self._model,
            "context": self._context,
            "monitoring": self._monitoring,
            "bind": self._bind,
            "port": self._port,
            "key": self._key,
        }

    def _stack(self, _answers: Answers, suggested: str) -> str:
        if not self._asks:
            return suggested
        return self._asker.select("Which engine?", self._wizard.stack_options(), suggested)

    def _model(self, answers: Answers, suggested: str) -> str:
        if not self._asks:
            return suggested
        stack = answers.stack or ""
        check = partial(self._wizard.require_model, stack)
        options = [*self._wizard.model_options(stack), Option("", "by its name")]
        while chosen := self._asker.select("Which model?", options, suggested):
            if not (why := complaint(check, chosen)):
                return chosen
            _wrapped(why, "  ")
        return self._asker.text("Its name or source?", "", check)

    def _context(self, _answers: Answers, suggested: str) -> int:
        if not self._asks:
            return domain.context(suggested)
        question = "How many tokens of context? (coding tools need 8k to 64k)"
        return domain.context(self._asker.text(question, suggested, domain.context))

    def _monitoring(self, answers: Answers, suggested: str) -> bool:
        wanted = suggested == "true"
        if not self._asks or not self._wizard.can_monitor(answers):
            return wanted
        return self._asker.confirm("Watch it with Prometheus and Grafana?", default=wanted)

    def _bind(self, _answers: Answers, suggested: str) -> str:
        if not self._asks:
            return suggested
        options = {
            "127.0.0.1": Option("127.0.0.1", "this machine only"),
            _ANYWHERE: Option(_ANYWHERE, "every network of this machine, with a key"),
        }
        options = {suggested: Option(suggested, "as it is now"), **options}
        chosen = self._asker.select(
            "Who may reach it?", [*options.values(), Option("", "by its address")], suggested
        )
        return chosen or self._asker.text("Which address?", suggested, domain.address)

    def _port(self, answers: Answers, suggested: str) -> int:
        problem, _ = self._wizard.taken(answers.bind or "")
        if not self._asks or not problem:
            return domain.port(suggested)
        question = f"{problem}; another port?"
        return domain.port(self._asker.text(question, suggested, domain.port))

    def _key(self, answers: Answers, _suggested: str) -> str:
        is_needed = self._wizard.needs_key(answers)
        if not self._asks:
            return ""
        if not is_needed and not self._asker.confirm("Make an API key?", default=False):
            return ""
        return self._asker.text("For whom is the API key?", "me", _named)


def _named(name: str) -> str:
    if not domain.key_name(name):
        raise UsageError("a key needs a name")
    return name


def _confirm(plan: SetupPlan) -> None:
    for line in _plan_lines(plan):
        _wrapped(line.strip(), " " * (len(line) - len(line.lstrip())))
    if not asker().confirm("Do it?", default=True):
        raise RefusedError("not confirmed; nothing was changed", hint="frontier setup")


def _carry_out(session: Session, plan: SetupPlan) -> SetUp:
    """Bring the plan up; settings are written once a token has come, a key is taken back if not."""
    setting_up = SettingUp(session.services)

    def work(services: Services) -> SetUp:
        up = bring_up(session, services, "setup", dry_run=False)
        return SetUp(plan=plan, applied=True, up=up)

    session.reporter = Unsaid(session.reporter, plan.preview.decisions)
    with setting_up.key(plan.key) as secret:
        done = session.planned(lambda: setting_up.settling(plan.settings), work)
    return replace(done, secret=secret)


class Unsaid:
    """Passes on to a reporter what the person has not read yet.

    Args:
        reporter: Who tells it.
        said: Lines that were told before.
    """

    def __init__(self, reporter: Reporter, said: Iterable[str]) -> None:
        self._reporter, self._said = reporter, {*said}

    def say(self, text: str) -> None:
        """Say *text*, unless it was said."""
        is_machine = text.startswith("machine: ")  # its free memory changes from line to line
        if text not in self._said and not is_machine:
            self._reporter.say(text)

    def task(
        self, label: str, *, total: int | None = None, unit: Literal["bytes", "steps"] = "steps"
    ) -> AbstractContextManager[Task]:
        """Show the progress of *label*."""
        return self._reporter.task(label, total=total, unit=unit)


def _plan_lines(plan: SetupPlan) -> list[str]:
    answers, preview = plan.answers, plan.preview
    lines = ["", "The plan:", *(f"  {line}" for line in preview.decisions)]
    if pull := preview.pull:
        known = size(pull.download_bytes) if pull.download_bytes else "size unknown"
        lines.append(f"  download: {known} for {pull.name}")
    lines.append(f"  address: {answers.bind}, port {answers.port}")
    if plan.key:
        lines.append(f"  key: one named {plan.key} is made and shown once")
    lines.append("Written to .env once a token has come:" if plan.changes else ".env stays.")
    return [*lines, *(f"  {change}" for change in plan.changes)]


@text.register
def _(result: SetUp) -> str:
    if result.up is None:
        return "\n".join([*_plan_lines(result.plan)[1:], "dry run: nothing was changed"])
    lines = [text(result.up)]
    if result.secret:
        lines += ["", f"the key {result.plan.key}, shown this once:", f"    {result.secret}"]
    lines += [
        "",
        "next:",
        "  frontier launch aider     a tool in front of it; also: claude,",
        "                            codex, opencode, continue, openwebui",
        "  frontier status           what runs",
        "  frontier setup            change something",
        "  frontier rollback         go back",
    ]
    return "\n".join(lines)

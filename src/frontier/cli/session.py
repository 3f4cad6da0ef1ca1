"""What every command receives, and the options that all commands share."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from frontier.cli import output
from frontier.domain.errors import RefusedError, StalePlanError

if TYPE_CHECKING:
    from frontier.bootstrap import Services
    from frontier.ports import Reporter

Result = TypeVar("Result")


@dataclass
class Session:
    """One run of the command line.

    Attributes:
        given: Services instead of new ones.
        only_reads: The command changes nothing, and Ctrl-C is the way to end it.
    """

    given: "Services | None" = None
    as_json: bool = False
    quiet: bool = False
    only_reads: bool = False

    @cached_property
    def services(self) -> "Services":
        """What the command works with, made when it is asked for: `--help` needs none."""
        from frontier.bootstrap import Services

        return self.given or Services()

    @cached_property
    def reporter(self) -> "Reporter":
        """Tells the person on standard error what happens; silent with --json and --quiet."""
        from frontier.cli.progress import reporter

        return reporter(silent=self.as_json or self.quiet)

    @property
    def is_interactive(self) -> bool:
        """Tell whether a person can answer a prompt."""
        return sys.stdin.isatty() and sys.stdout.isatty() and not self.as_json

    def show(self, result: object) -> None:
        """Print *result* on standard output as text or, with --json, by its fields."""
        output.show(result, as_json=self.as_json)

    def planned(
        self, ask: "Callable[[], Services]", work: "Callable[[Services], Result]"
    ) -> Result:
        """Return what *work* does with what *ask* reads; both again where others came between.

        Raises:
            StalePlanError: they come between every time.
        """
        for is_last in (False, False, True):
            seen = self.services.last_holder  # before anything is read
            services = ask()
            services.seen = seen
            try:
                return work(services)
            except StalePlanError as error:
                if is_last:
                    raise
                self.reporter.say(f"{error.message}: planning again")
        raise AssertionError("the last one returns or raises")

    def confirm(self, what: str, *, yes: bool) -> None:
        """Ask the person whether to do *what*; without a terminal, *yes* must have been given.

        Raises:
            RefusedError: nobody could be asked, or the answer was no.
        """
        if yes:
            return
        if not self.is_interactive:
            raise RefusedError(
                "this needs to be confirmed, and there is no terminal to ask in",
                hint="Add --yes to do it, --dry-run to see the plan.",
            )
        output.line(what)
        try:
            is_wanted = typer.confirm("Go on?")
        except typer.Abort as error:  # Ctrl-C, or the terminal is gone
            output.piece("\n")  # the question's line is still open
            raise KeyboardInterrupt from error
        if not is_wanted:
            raise RefusedError("not confirmed; nothing was changed")


def _remember_json(ctx: typer.Context, value: bool) -> bool:
    if value:
        ctx.obj.as_json = True
    return value


def _remember_quiet(ctx: typer.Context, value: bool) -> bool:
    if value:
        ctx.obj.quiet = True
    return value


Json = Annotated[
    bool, typer.Option("--json", callback=_remember_json, help="Print the result as JSON.")
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", callback=_remember_quiet, help="Print only the result.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan and change nothing.")]

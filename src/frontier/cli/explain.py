"""`frontier explain`: what an error text means, and what to do about it."""

import sys
from dataclasses import dataclass
from typing import Annotated

import typer

from frontier.cli.output import text as as_text
from frontier.cli.session import Json, Session
from frontier.domain.errors import NotFoundError, UsageError
from frontier.domain.trouble import Trouble, explain

_MOST_CHARACTERS = 1_000_000


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a text may mean, what fits best first."""

    troubles: tuple[Trouble, ...]


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command("explain")(explain_text)


def explain_text(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(help="An error text, or some words of it; standard input if left out."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Show every trouble that is known.")] = False,
    _json: Json = False,
) -> None:
    """Explain an error text: what is behind it, and what to type.

    Reads Frontier's own errors and those of Docker, engines, hubs and clients. The documentation
    has the same as a page.

    Examples:
        frontier explain "port is already allocated"
        frontier logs -n 200 | frontier explain
    """
    from frontier.adapters.troubles import load

    session: Session = ctx.obj
    if every:
        session.show(Explanation(load()))
        return
    given = " ".join(words or ()) or _read()
    if not given.strip():
        raise UsageError(
            "there is no text to explain", hint='frontier explain "what the program said"'
        )
    found = explain(given, load())
    if not found:
        raise NotFoundError(
            "nothing is known of this text",
            hint="frontier doctor and frontier validate look for what is wrong; frontier logs has "
            "the last words of each service.",
        )
    session.show(Explanation(found))


def _read() -> str:
    if sys.stdin.isatty():
        return ""
    return sys.stdin.buffer.read(_MOST_CHARACTERS).decode(errors="replace")


@as_text.register
def _(result: Explanation) -> str:
    return "\n\n".join(map(_told, result.troubles))


def _told(trouble: Trouble) -> str:
    steps = "\n".join(f"  {step}" for step in trouble.do)
    return f"{trouble.title}\n{trouble.why}\n{steps}"

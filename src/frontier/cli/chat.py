"""`frontier chat`: a conversation in the terminal; Ctrl-C stops the answer, not the program."""

import contextlib
import os
import signal
import stat
import sys
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Annotated

import typer

from frontier.cli import output
from frontier.cli.answer import measured
from frontier.cli.session import Json, Session
from frontier.domain.chat import Answer, Message, Sampling
from frontier.domain.errors import FrontierError, UsageError
from frontier.usecases import chat as usecase

_HELP = """\
/clear        forget the conversation
/system TEXT  set the system prompt and start over
/model NAME   talk to another model
/help         this list
/exit         leave (or Ctrl-D); Ctrl-C stops an answer
\"\"\"           begins and ends a message of several lines"""


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(chat)


@dataclass
class Conversation:
    """The state of one chat."""

    session: Session
    model: str
    sampling: Sampling
    system: str = ""

    def __post_init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything but the system prompt."""
        self.messages = [Message("system", self.system)] if self.system else []

    def ask(self, question: str) -> Answer | None:
        """Stream an answer; None when Ctrl-C stopped it, keeping what was said so far."""
        self.messages.append(Message("user", question))
        said: list[str] = []

        def show(piece: str) -> None:
            said.append(piece)
            if not self.session.as_json:
                output.piece(piece)

        answer = None
        try:
            answer = usecase.ask(
                self.model,
                self.messages,
                chat=self.session.services.access.chat,
                clock=time.monotonic,
                on_text=show,
                sampling=self.sampling,
            )
        except KeyboardInterrupt:
            said.append("")
        except FrontierError:
            self.messages.pop()
            raise
        self.messages.append(Message("assistant", "".join(said)))
        return answer


def chat(
    ctx: typer.Context,
    model: Annotated[
        str | None, typer.Argument(help="A model that runs; the default is DEFAULT_MODEL.")
    ] = None,
    message: Annotated[
        str | None, typer.Option("--message", "-m", help="Ask this once and leave.")
    ] = None,
    system: Annotated[str, typer.Option("--system", "-s", help="System prompt.")] = "",
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", min=1, help="Longest answer, tokens.")
    ] = None,
    _json: Json = False,
) -> None:
    """Talk to the running model.

    With --message, or with text piped in, asks once and leaves.

    Examples:
        frontier chat
        frontier chat -m "Why is the sky blue?"
        git diff | frontier chat -m "Write a commit message"
    """
    session: Session = ctx.obj
    session.only_reads = True
    settings = session.services.settings
    sampling = Sampling(
        temperature=settings.default_temperature,
        top_p=settings.default_top_p,
        top_k=settings.default_top_k,
        max_tokens=max_tokens,
    )
    running = model or session.services.running.model or settings.default_model
    conversation = Conversation(session, running, sampling, system)
    question = "\n\n".join(part for part in (message, _piped().strip()) if part)
    if question:
        _once(conversation, question)
    elif session.is_interactive:
        _talk(conversation)
    else:
        raise UsageError("nothing to ask: no terminal and no text", hint='frontier chat -m "Hello"')


def _piped() -> str:
    """Return what a pipe or a file brings; never waits for a terminal or a silent socket."""
    if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison] - closed with `<&-`
        return ""
    mode = os.fstat(sys.stdin.fileno()).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISREG(mode)):
        return ""
    return sys.stdin.buffer.read().decode(errors="replace")


def _once(conversation: Conversation, question: str) -> None:
    answer = conversation.ask(question)
    if answer is None:
        raise KeyboardInterrupt
    if conversation.session.as_json:
        conversation.session.show(answer)
    else:
        output.line("")


def _talk(conversation: Conversation) -> None:
    import readline

    readline.parse_and_bind("set enable-bracketed-paste on")
    output.line(f"{conversation.model}  (/help for commands, Ctrl-D to leave)")
    for question in _questions():
        try:
            if not _command(conversation, question):
                _answer(conversation, question)
        except FrontierError as error:
            output.fail(error, as_json=False)
    output.line("")


def _questions() -> Iterator[str]:
    """Yield what the person types until they leave; Ctrl-C clears the line."""
    while True:
        try:
            question = _read()
        except EOFError:
            return
        except KeyboardInterrupt:
            output.line("")
            continue
        if question.split(" ")[0] in ("/exit", "/quit", "/bye"):
            return
        if question:
            yield question


def _read() -> str:
    first = input(">>> ").strip()
    if not first.startswith('"""'):
        return first
    lines = [first[3:]]
    while not lines[-1].rstrip().endswith('"""'):
        lines.append(input("... "))
    lines[-1] = lines[-1].rstrip().removesuffix('"""')
    return "\n".join(lines).strip()


def _command(conversation: Conversation, question: str) -> bool:
    word, _, rest = question.partition(" ")
    match word:
        case "/help" | "/?":
            output.line(_HELP)
        case "/clear":
            conversation.clear()
            output.line("forgotten")
        case "/system":
            conversation.system = rest.strip()
            conversation.clear()
            output.line("system prompt set" if conversation.system else "no system prompt")
        case "/model":
            conversation.model = rest.strip() or conversation.model
            output.line(conversation.model)
        case _ if word.startswith("/") and "/" not in word[1:]:
            output.line(f"{word}: no such command; /help lists them")
        case _:
            return False
    return True


def _answer(conversation: Conversation, question: str) -> None:
    with _interruptible():
        answer = conversation.ask(question)
    output.line("" if answer else " [stopped]")
    if answer:
        output.line(measured(answer))


@contextlib.contextmanager
def _interruptible() -> Generator[None]:
    """Let Ctrl-C raise KeyboardInterrupt here even where a parent ignored it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)

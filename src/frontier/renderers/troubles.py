"""Known troubles as a page of the documentation."""

from collections.abc import Iterable
from typing import Final

from frontier.domain.trouble import SPEAKERS, Trouble

_HEAD: Final = """# Troubleshooting

<!-- written by `make golden` from src/frontier/troubles/troubles.yaml -->

Each section begins with the words that are shown, by whoever says them; `…` stands for any words.
`frontier explain` finds the section that fits, from words or from a log:

```console
$ frontier explain "port is already allocated"
$ frontier logs -n 200 | frontier explain
```

[`frontier doctor`, `frontier validate` and `frontier test`](../reference/checks.md) look for most
of this before it happens.
"""


def page(troubles: Iterable[Trouble]) -> str:
    """Return the page as Markdown."""
    return "\n".join([_HEAD, *map(_section, troubles)])


def _section(trouble: Trouble) -> str:
    said = [
        f"| {SPEAKERS[speaker]} | {'<br>'.join(_code(text) for text in texts)} |"
        for speaker, texts in trouble.says.items()
    ]
    return "\n".join(
        [
            f"({trouble.id})=",
            f"## {trouble.title}",
            "",
            "| Who | Says |",
            "| --- | --- |",
            *said,
            "",
            trouble.why,
            "",
            *(f"- {_step(step)}" for step in trouble.do),
            "",
        ]
    )


def _code(text: str) -> str:
    fence = "``" if "`" in text else "`"
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text.replace('|', chr(92) + '|')}{pad}{fence}"


def is_sentence(step: str) -> bool:
    """Tell whether *step* is something to do, not something to type."""
    return step.endswith(".") or ": " in step or ", then " in step or " shows " in step


def _step(step: str) -> str:
    return step if is_sentence(step) else _code(step)

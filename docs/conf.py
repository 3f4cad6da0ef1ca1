"""Sphinx configuration; the reference of commands and settings is read from the code."""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from frontier import __version__

project = "Frontier"
copyright = "the Frontier authors"
release = __version__
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "Frontier"
myst_heading_anchors = 3
nitpicky = True
smartquotes = False  # a pair of hyphens is an option


def commands() -> str:
    """Return every command with its usage, arguments and options, as the parser knows them."""
    from typer import Context
    from typer.cli import get_docs_for_click
    from typer.main import get_command

    from frontier.cli.app import app

    root = get_command(app)
    root.commands = {name: sub for name, sub in root.commands.items() if not sub.hidden}
    context = Context(root, info_name="frontier")
    return as_console(get_docs_for_click(obj=root, ctx=context, name="frontier", indent=1))


def as_console(text: str) -> str:
    """Return *text* with its examples, one command per line, as blocks of code."""
    return re.sub(
        r"(?m)^Examples?:((?:\s+frontier .*)+)$",
        lambda found: "\n".join(
            ["```console", *(f"$ {line.strip()}" for line in found[1].strip().splitlines()), "```"]
        ),
        text.replace("\b\n", ""),  # Click's mark for "do not rewrap"
    )


def settings() -> str:
    """Return a table of every variable, its default and what it does."""
    from frontier.settings import Settings

    rows = ["| Variable | Default | What it does |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"{field.default}"
        default = default.lower() if isinstance(field.default, bool) else default
        extra = field.json_schema_extra
        idle = extra["no_effect"] if isinstance(extra, dict) else ""
        note = f" *No effect in this version: {idle}.*" if idle else ""
        shown = f"`{default}`" if default else ""
        rows.append(f"| `{name.upper()}` | {shown} | {field.description}{note} |")
    return "\n".join(rows)


class Commands(SphinxDirective):
    """``frontier-commands``: what `commands` returns, parsed as if it stood in the page."""

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(commands(), allow_section_headings=True)


class Settings(SphinxDirective):
    """``frontier-settings``: what `settings` returns, parsed as if it stood in the page."""

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(settings())


def setup(app: Sphinx) -> None:
    """Add the two directives."""
    app.add_directive("frontier-commands", Commands)
    app.add_directive("frontier-settings", Settings)

"""`frontier keys`: who may ask the gateway for what, and how much."""

from datetime import UTC, datetime
from typing import Annotated, Protocol

import typer

from frontier.cli.output import table, text
from frontier.cli.session import DryRun, Json, Session
from frontier.domain import keys as domain
from frontier.domain.keys import Key
from frontier.ports import KeyStore
from frontier.usecases import keys as usecase

app = typer.Typer(help="API keys of the gateway.", no_args_is_help=True)


def _names(ctx: typer.Context, incomplete: str) -> list[str]:
    session: Session = ctx.obj or Session()
    keys = session.services.keys.load()
    return [k.name for k in keys if k.revoked is None and k.name.startswith(incomplete)]


class Change(Protocol):
    """Changes one key by its name or id."""

    def __call__(
        self, store: KeyStore, name: str, now: datetime, *, dry_run: bool = False
    ) -> usecase.Changed:
        """Do it, or tell what would be done."""
        ...


Named = Annotated[str, typer.Argument(help="A key's name or id.", autocompletion=_names)]


@app.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Whose key it is, for people.")],
    *,
    models: Annotated[
        str | None, typer.Option("--models", help="Names or aliases, comma-separated; all.")
    ] = None,
    rpm: Annotated[int | None, typer.Option("--rpm", min=1, help="Requests per minute.")] = None,
    tpm: Annotated[int | None, typer.Option("--tpm", min=1, help="Tokens per minute.")] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", help="From now, such as 12h, 30d; or a date, UTC.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option("--budget", help="Tokens, such as 500k/day or 10m/month.")
    ] = None,
    dry_run: DryRun = False,
    _json: Json = False,
) -> None:
    """Make a key and print its secret, this once; a running gateway takes it within a second.

    Examples:
        frontier keys create alice
        frontier keys create ci --models smollm2:135m --rpm 60 --tpm 20000 --expires 30d
        frontier keys create team --budget 5m/month --json
    """
    now = datetime.now(UTC)
    wanted = Key(
        id="",
        name=name,
        sha256="",
        created=now,
        models=_models(models),
        rpm=rpm,
        tpm=tpm,
        budget=domain.budget(budget) if budget else None,
        expires=domain.until(expires, now) if expires else None,
    )
    session: Session = ctx.obj
    store = session.services.keys
    if not dry_run:
        usecase.create(store, wanted, now, dry_run=True)  # a refusal takes no snapshot
        with session.services.changing("keys create"):
            session.services.snapshots.take("keys create")
            session.show(usecase.create(store, wanted, now))
    else:
        session.show(usecase.create(store, wanted, now, dry_run=True))


@app.command("list")
def list_(
    ctx: typer.Context,
    everything: Annotated[bool, typer.Option("--all", "-a", help="Revoked keys, too.")] = False,
    _json: Json = False,
) -> None:
    """List the keys and what they may.

    Example: frontier keys list --all
    """
    session: Session = ctx.obj
    session.show(usecase.listed(session.services.keys, datetime.now(UTC), everything=everything))


@app.command()
def show(ctx: typer.Context, name: Named, _json: Json = False) -> None:
    """Show one key; nobody can show its secret.

    Example: frontier keys show alice
    """
    session: Session = ctx.obj
    key = domain.find(session.services.keys.load(), name)
    session.show(usecase.shown(key, datetime.now(UTC)))


@app.command()
def rotate(ctx: typer.Context, name: Named, dry_run: DryRun = False, _json: Json = False) -> None:
    """Give a key another secret; the old one is refused within a second.

    Example: frontier keys rotate alice
    """
    _change(ctx, usecase.rotate, "keys rotate", name, dry_run=dry_run)


@app.command()
def revoke(ctx: typer.Context, name: Named, dry_run: DryRun = False, _json: Json = False) -> None:
    """Have a key refused within a second; answers under way go on to their end.

    Example: frontier keys revoke alice
    """
    _change(ctx, usecase.revoke, "keys revoke", name, dry_run=dry_run)


def _change(ctx: typer.Context, change: Change, command: str, name: str, *, dry_run: bool) -> None:
    session: Session = ctx.obj
    store, now = session.services.keys, datetime.now(UTC)
    planned = change(store, name, now, dry_run=True)
    if dry_run:
        session.show(planned)
        return
    with session.services.changing(command):
        session.services.snapshots.take(command)
        session.show(change(store, name, now))


def _models(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    return tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))


@text.register
def _(result: usecase.KeyList) -> str:
    if not result.keys:
        return "no keys: `frontier keys create NAME` makes one"
    rows = [
        (
            key.id,
            key.name,
            key.state,
            "all" if key.models is None else ",".join(key.models),
            str(key.rpm or "-"),
            str(key.tpm or "-"),
            key.budget or "-",
            key.expires or "never",
        )
        for key in result.keys
    ]
    return table(("ID", "NAME", "STATE", "MODELS", "RPM", "TPM", "BUDGET", "EXPIRES"), rows)


@text.register
def _(result: usecase.Shown) -> str:
    models = "all" if result.models is None else ", ".join(result.models)
    rows = [
        ("id", result.id),
        ("name", result.name),
        ("state", result.state),
        ("models", models),
        ("requests per minute", str(result.rpm or "the gateway's default")),
        ("tokens per minute", str(result.tpm or "no limit")),
        ("budget", f"{result.budget} tokens" if result.budget else "none"),
        ("created", result.created),
        ("expires", result.expires or "never"),
    ]
    if result.revoked:
        rows.append(("revoked", result.revoked))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in rows)


@text.register
def _(result: usecase.Changed) -> str:
    done = {"create": "created", "rotate": "rotated", "revoke": "revoked"}[result.verb]
    verb = done if result.applied else f"would {result.verb}"
    head = f"{verb} the key {result.key.name} ({result.key.id})"
    if not result.secret:
        return head
    return f"{head}\n\n    {result.secret}\n\nThis is shown once; clients send it as their API key."

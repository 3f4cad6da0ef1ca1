"""`frontier test`: the running stack, asked through every API as its users ask it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from frontier.domain.answers import APIS, Api, Said, read_stream, read_whole
from frontier.domain.check import Finding, failed, passed, skipped
from frontier.domain.errors import FrontierError
from frontier.domain.project import Project, Route
from frontier.ports.checking import CodingTool, Web, WebAnswer
from frontier.usecases.checking import Check, Once

_OK: Final = 200
_NOBODY: Final = "the gateway does not answer: see api.health"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """The running stack, as it is asked.

    Attributes:
        url: The gateway's address, without a path.
        key: A key for it, "" for none.
        project: What was brought up, None where nothing was.
        model: What to ask, "" for the first that completes text.
        web: Asks.
        aider: The real tool.
        patience_s: Seconds that an answer may take: a model may have to be loaded first.
    """

    url: str
    key: str
    project: Project | None
    model: str
    web: Web
    aider: CodingTool
    patience_s: float


def checks(stack: Stack) -> list[Check]:
    """Return every check; those that compute run one after another, on one engine."""
    is_up = Once(partial(_health, stack))
    return [
        Check(id="api.health", name="The gateway answers", look=is_up),
        Check(id="api.ready", name="Every model has an engine", look=_if(is_up, _ready, stack)),
        Check(id="api.metrics", name="The gateway's metrics", look=_if(is_up, _metrics, stack)),
        Check(id="models.openai", name="Models, OpenAI", look=_if(is_up, _listed_openai, stack)),
        Check(id="models.ollama", name="Models, Ollama", look=_if(is_up, _listed_ollama, stack)),
        *(_page(stack, name, path) for name, path in _PAGES.items()),
        *(_completion(stack, api, is_up, streams=s) for api in APIS for s in (False, True)),
        Check(
            id="aider.edit",
            name="aider edits a file",
            look=_if(is_up, _aider, stack),
            limit_s=stack.patience_s + 90,
            lane="engine",
        ),
    ]


_PAGES: Final = {
    "prometheus": "/-/healthy",
    "alertmanager": "/-/healthy",
    "grafana": "/api/health",
}


def _if(
    is_up: Callable[[], Finding], look: Callable[[Stack], Finding], stack: Stack
) -> Callable[[], Finding]:
    """Return *look*, skipped where nothing answers: one cause is told once."""
    return lambda: look(stack) if is_up().state == "pass" else skipped(_NOBODY)


def _health(stack: Stack) -> Finding:
    try:
        answer = stack.web.ask(f"{stack.url}/healthz", key=stack.key)
    except FrontierError as error:
        return failed(error.message, expected="a running stack", mend="frontier up")
    if answer.status != _OK:
        return failed(
            f"{stack.url}/healthz answers {answer.status}",
            expected="200 from Frontier's gateway",
            mend="Another program may listen there: frontier doctor --only port",
        )
    return passed(f"{stack.url} answers")


def _ready(stack: Stack) -> Finding:
    answer = stack.web.ask(f"{stack.url}/readyz", key=stack.key)
    if answer.status != _OK:
        return _refused(answer, f"{stack.url}/readyz", "frontier status; frontier logs")
    return passed("every model has an engine that answers")


def _metrics(stack: Stack) -> Finding:
    answer = stack.web.ask(f"{stack.url}/metrics", key=stack.key)
    if answer.status != _OK or "frontier_build_info" not in answer.text:
        return _refused(answer, f"{stack.url}/metrics", "frontier logs gateway")
    return passed(f"{sum(not r.startswith('#') for r in answer.text.splitlines())} samples")


def _listed_openai(stack: Stack) -> Finding:
    return _listed(stack, "/v1/models", "data", "id")


def _listed_ollama(stack: Stack) -> Finding:
    return _listed(stack, "/api/tags", "models", "name")


def _listed(stack: Stack, path: str, rows: str, name: str) -> Finding:
    answer = stack.web.ask(f"{stack.url}{path}", key=stack.key)
    if answer.status != _OK:
        return _refused(answer, f"{stack.url}{path}", "frontier logs gateway")
    names = {str(row.get(name)) for row in answer.items(rows)}
    wanted = [route.model for route in stack.project.routes] if stack.project else []
    if missing := [model for model in wanted if model not in names]:
        return failed(
            f"{path} does not name {', '.join(missing)}",
            expected="every model that was brought up",
            mend="frontier restart gateway",
        )
    if not names:
        return failed(f"{path} names no model", mend="frontier up")
    return passed(", ".join(sorted(names)))


def _page(stack: Stack, name: str, path: str) -> Check:
    def look() -> Finding:
        url = stack.project.pages.get(name) if stack.project else None
        if url is None:
            return skipped(f"{name} is not part of what runs")
        answer = stack.web.ask(f"{url}{path}")
        if answer.status != _OK:
            return _refused(answer, f"{url}{path}", f"frontier logs {name}")
        return passed(f"{url} is healthy")

    return Check(id=f"monitoring.{name}", name=name.title(), look=look)


def _completion(stack: Stack, api: Api, is_up: Callable[[], Finding], *, streams: bool) -> Check:
    group, _, rest = api.id.partition("-")
    return Check(
        id=f"{group}.{rest}{'-stream' if streams else ''}",
        name=f"{api.title}{', streamed' if streams else ''}",
        look=_if(is_up, partial(_ask, api=api, streams=streams), stack),
        limit_s=stack.patience_s + 5,
        lane="engine",
    )


def _ask(stack: Stack, *, api: Api, streams: bool) -> Finding:
    model = _model(stack)
    if not model:
        return skipped("no model that runs completes text")
    answer = stack.web.ask(
        f"{stack.url}{api.path}",
        key=stack.key,
        body=api.body(model, streams),
        timeout_s=stack.patience_s,
    )
    if answer.status != _OK:
        return _refused(answer, api.path, "frontier logs; frontier explain 'what it says'")
    try:
        said = (read_stream if streams else read_whole)(api, answer.text)
    except ValueError as error:
        return failed(str(error), expected="text from the model", mend="frontier logs")
    return passed(_told(model, said, answer, streams=streams))


def _told(model: str, said: Said, answer: WebAnswer, *, streams: bool) -> str:
    text = " ".join(said.text.split())
    shown = text if len(text) <= 40 else f"{text[:39]}…"  # noqa: PLR2004 a glance
    how = f"{said.pieces} pieces, the first after {answer.first_s:.2f} s, " if streams else ""
    return f"{model}: {how}all within {answer.whole_s:.2f} s: {shown!r}"


def _model(stack: Stack) -> str:
    """Return what to ask: the one that was named, else the first that completes text."""
    routes = stack.project.routes if stack.project else ()
    if stack.model:
        return stack.model
    if routes:
        return next((route.model for route in routes if _completes(route)), "")
    answer = stack.web.ask(f"{stack.url}/v1/models", key=stack.key)
    return next((str(row.get("id")) for row in answer.items("data")), "")


def _completes(route: Route) -> bool:
    capabilities = route.details.capabilities if route.details else ()
    return not capabilities or "completion" in capabilities


def _aider(stack: Stack) -> Finding:
    if missing := stack.aider.missing():
        return skipped(missing, mend="uv tool install aider-chat")
    model = _model(stack)
    if not model:
        return skipped("no model that runs completes text")
    return stack.aider.edit(stack.url, stack.key, model, timeout_s=stack.patience_s + 60)


def _refused(answer: WebAnswer, what: str, mend: str) -> Finding:
    said = answer.at("error", "message") or answer.at("error") or answer.text
    return failed(f"{what} answers {answer.status}: {str(said)[:300]}", expected="200", mend=mend)

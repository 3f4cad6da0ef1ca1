"""`frontier test` on gateways that are not well."""

from dataclasses import dataclass, field

from frontier.domain.check import Finding, passed, warned
from frontier.domain.errors import NotRunningError
from frontier.domain.model import Details
from frontier.domain.project import Project, Route
from frontier.ports.checking import WebAnswer
from frontier.usecases import smoke
from frontier.usecases.checking import run, select

CHAT = '{"choices": [{"message": {"content": "Hello"}}]}'
EMBEDDER = Route(
    model="e:1", service="e", backend="llamacpp", details=Details(capabilities=("embedding",))
)
TALKER = Route(model="m:1", service="m", backend="llamacpp")


@dataclass
class FakeWeb:
    """Answers by path; what it does not know answers 404; None is nobody there."""

    answers: dict[str, WebAnswer] | None
    asked: list[tuple[str, object]] = field(default_factory=list)

    def ask(
        self, url: str, *, key: str = "", body: object = None, timeout_s: float = 5.0
    ) -> WebAnswer:
        path = url.removeprefix("http://gateway").removeprefix("http://page")
        self.asked.append((path, body))
        if self.answers is None:
            raise NotRunningError(f"nothing answers at {url}")
        return self.answers.get(path, WebAnswer(404, '{"error": {"message": "no such path"}}'))


@dataclass
class FakeAider:
    lacks: str = ""
    found: Finding = field(default_factory=lambda: passed("edited"))

    def missing(self) -> str:
        return self.lacks

    def edit(self, url: str, key: str, model: str, *, timeout_s: float) -> Finding:
        return self.found


def states(
    web: FakeWeb, *only: str, routes: tuple[Route, ...] = (TALKER,), aider: FakeAider | None = None
) -> dict[str, tuple[str, str]]:
    stack = smoke.Stack(
        url="http://gateway",
        key="",
        project=Project(name="p", stack="s", routes=routes),
        model="",
        web=web,
        aider=aider or FakeAider(),
        patience_s=1.0,
    )
    found = run(select(smoke.checks(stack), only, ()))
    return {c.id: (c.state, c.seen) for c in found.checks}


UP = {"/healthz": WebAnswer(200, "{}")}


def test_one_cause_is_told_once_where_nothing_runs() -> None:
    found = states(FakeWeb(None))

    assert [name for name, (state, _) in found.items() if state == "fail"] == ["api.health"]
    assert {state for state, _ in found.values()} == {"fail", "skipped"}


def test_a_stranger_on_the_port_is_no_gateway() -> None:
    assert states(FakeWeb({}), "api.health")["api.health"][0] == "fail"


def test_an_error_of_the_api_is_shown_in_its_words() -> None:
    busy = WebAnswer(503, '{"error": {"message": "the engine is starting"}}')
    web = FakeWeb({**UP, "/v1/chat/completions": busy, "/api/chat": WebAnswer(500, "boom")})

    found = states(web)

    assert found["openai.chat"] == (
        "fail",
        "/v1/chat/completions answers 503: the engine is starting",
    )
    assert found["ollama.chat"][1] == "/api/chat answers 500: boom"
    assert found["openai.responses"][1] == "/v1/responses answers 404: no such path"


def test_an_answer_without_text_has_failed() -> None:
    web = FakeWeb({**UP, "/v1/chat/completions": WebAnswer(200, CHAT.replace("Hello", ""))})

    assert states(web, "openai.chat")["openai.chat"] == ("fail", "the answer is empty")


def test_the_first_model_that_completes_text_is_asked() -> None:
    web = FakeWeb({**UP, "/v1/chat/completions": WebAnswer(200, CHAT)})

    found = states(web, "openai.chat", routes=(EMBEDDER, TALKER))
    none = states(FakeWeb(UP), "openai.chat", routes=(EMBEDDER,))

    assert found["openai.chat"][1].startswith("m:1: all within")
    assert none["openai.chat"][0] == "skipped"


def test_a_model_that_is_not_listed_is_missed() -> None:
    web = FakeWeb({**UP, "/v1/models": WebAnswer(200, '{"data": [{"id": "other"}]}')})

    assert "does not name m:1" in states(web, "models.openai")["models.openai"][1]


def test_aider_is_used_where_it_is_there() -> None:
    web = FakeWeb(UP)

    absent = states(web, "aider", aider=FakeAider(lacks="aider is not installed"))
    unable = states(web, "aider", aider=FakeAider(found=warned("no edit")))

    assert absent["aider.edit"] == ("skipped", "aider is not installed")
    assert unable["aider.edit"] == ("warn", "no edit")

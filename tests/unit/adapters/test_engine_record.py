"""How engines started, as it is noted for the gateway's metrics."""

from dataclasses import replace
from pathlib import Path

import pytest

from frontier.adapters.certificates import self_signed
from frontier.adapters.engine_record import EngineRecord
from frontier.adapters.workspace import Workspace
from frontier.domain.containers import Containers
from frontier.domain.facts import Facts, Loads
from frontier.domain.offload import Compute
from frontier.domain.project import Project, Route, Service
from frontier.domain.state import ServiceState

ENGINE = ("llamacpp", "m")
ROUTE = Route(model="m", service="llamacpp", backend="llamacpp")
PROJECT = Project(
    name="p",
    stack="s",
    services=(Service(name="llamacpp", argv=(), start_timeout_s=60.0),),
    routes=(ROUTE,),
    accelerator="cuda",
)
GPU = Compute(device="CUDA0", source="log", evidence="")
CPU = Compute(device="CPU", source="log", evidence="")


class Noting:
    """A record in a workspace; `computes` is where the engine says that it computes."""

    def __init__(self, root: Path) -> None:
        self.workspace = Workspace(root)
        self.now = 1000.0
        self.computes: Compute | None = GPU
        self.record = EngineRecord(
            self.workspace, lambda _state, _backend: self.computes, lambda: self.now
        )

    @property
    def facts(self) -> Facts:
        return Facts.from_json(self.workspace.facts_file.read_bytes())

    def ready(
        self,
        project: Project = PROJECT,
        *,
        since: float = 997.5,
        at: dict[str, float] | None = None,
    ) -> None:
        state = ServiceState(name="llamacpp", phase="ready", digest="", started_at=since)
        self.record.ready(project, [state], at)


@pytest.fixture
def noting(tmp_path: Path) -> Noting:
    return Noting(tmp_path)


def test_an_engine_that_is_about_to_start_has_counts_of_0(noting: Noting) -> None:
    noting.record.announce(PROJECT)

    assert noting.facts == Facts(loads={ENGINE: Loads()})


def test_one_start_is_counted_once_however_often_it_is_seen(noting: Noting) -> None:
    noting.ready()
    noting.now = 1030.0
    noting.ready()
    assert noting.facts.loads_of(ENGINE) == Loads().took(2.5)

    noting.ready(since=1029.0)
    assert noting.facts.loads_of(ENGINE) == Loads().took(2.5).took(1.0)


def test_a_start_takes_until_the_engine_was_ready_not_until_it_is_noted(noting: Noting) -> None:
    noting.ready(at={"llamacpp": 999.0})

    assert noting.facts.loads_of(ENGINE) == Loads().took(1.5)


def test_a_start_that_nobody_watched_has_no_time(noting: Noting) -> None:
    noting.ready(at={"gateway": 999.0})

    assert noting.facts.loads_of(ENGINE) == Loads()
    assert noting.facts.gpu_in_use == {"llamacpp": True}


def test_a_clock_that_was_set_back_gives_no_negative_time(noting: Noting) -> None:
    noting.ready(since=noting.now + 5)

    assert noting.facts.loads_of(ENGINE) == Loads().took(0.0)


@pytest.mark.parametrize(
    ("accelerator", "computes", "expected", "in_use"),
    [
        ("cuda", GPU, True, True),
        ("cuda", CPU, True, False),
        ("cuda", None, True, None),
        ("cpu", CPU, False, False),
        ("", GPU, False, True),
    ],
)
def test_a_gpu_is_expected_where_it_was_chosen_and_in_use_where_the_engine_says_so(
    noting: Noting, accelerator: str, computes: Compute | None, expected: bool, in_use: bool | None
) -> None:
    noting.ready()
    noting.computes = computes

    noting.ready(replace(PROJECT, accelerator=accelerator))

    assert noting.facts.gpu_expected == {"llamacpp": expected}
    assert noting.facts.gpu_in_use == ({} if in_use is None else {"llamacpp": in_use})


def test_a_failure_counts_for_the_engine_alone_and_forgets_no_start(noting: Noting) -> None:
    noting.ready()

    noting.record.failed(PROJECT, "gateway")
    noting.record.failed(PROJECT, "llamacpp")

    assert noting.facts.loads_of(ENGINE) == Loads().took(2.5).failed()


def test_the_certificate_of_nginx_is_known_as_long_as_it_is_shown(noting: Noting) -> None:
    pair = self_signed(noting.workspace.root / "made", ["localhost"])
    noting.workspace.secrets.mkdir(parents=True)
    (noting.workspace.secrets / "tls-1").write_text(pair.chain)
    shown = Containers(document={"name": "p"}, secrets={"secrets/tls-certificate": "tls-1"})

    noting.record.announce(replace(PROJECT, containers=shown))
    in_days = (noting.facts.not_after["nginx"] - _now()) / 86400
    assert 396 < in_days <= 397

    noting.record.announce(PROJECT)
    assert noting.facts.not_after == {}


@pytest.mark.parametrize("text", ["no certificate", None])
def test_a_certificate_that_cannot_be_read_has_no_end(noting: Noting, text: str | None) -> None:
    noting.workspace.secrets.mkdir(parents=True)
    if text is not None:
        (noting.workspace.secrets / "tls-1").write_text(text)
    shown = Containers(document={"name": "p"}, secrets={"secrets/tls-certificate": "tls-1"})

    noting.record.announce(replace(PROJECT, containers=shown))

    assert noting.facts.not_after == {}


def test_a_damaged_file_begins_anew(noting: Noting) -> None:
    noting.record.announce(PROJECT)
    noting.workspace.facts_file.write_text('{"version": 1')

    noting.record.failed(PROJECT, "llamacpp")

    assert noting.facts.loads_of(ENGINE) == Loads().failed()


def test_a_workspace_that_cannot_be_written_stops_no_start(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder has to be")
    noting = Noting(tmp_path)

    noting.record.announce(PROJECT)
    noting.ready()
    noting.record.failed(PROJECT, "llamacpp")


def _now() -> float:
    import time

    return time.time()

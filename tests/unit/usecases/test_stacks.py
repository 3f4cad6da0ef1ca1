from dataclasses import replace
from pathlib import Path

import pytest

from compose_specs import MODELS, SECRETS, containers, folders, rendered, shared, shipped
from frontier.adapters.eject import eject
from frontier.adapters.images_lock import ImagesLock
from frontier.adapters.workspace import Workspace
from frontier.domain.errors import ConfigError, NotFoundError, RefusedError
from frontier.domain.project import Project, Service
from frontier.usecases import stacks as usecase

GATEWAY_KEYS = ("api-key", "admin-key", "metrics-key")


class FakeImages:
    """Knows some images."""

    def __init__(self, known: dict[str, str]) -> None:
        self.known = known

    def digest(self, reference: str) -> str | None:
        return self.known.get(reference)


def test_a_list_says_which_stack_is_current_and_whose_it_is() -> None:
    lines = list(usecase.listed(folders(), folders().is_own, "vllm"))

    assert [line.name for line in lines] == ["llamacpp", "mistral", "ollama", "vllm"]
    assert [line.is_current for line in lines] == [False, False, False, True]
    assert not any(line.is_own for line in lines)


def test_a_description_has_images_of_the_stack_and_of_what_all_share() -> None:
    fragments, _ = shared()
    found = usecase.describe(shipped("vllm"), fragments, is_own=False, is_current=True)

    assert set(found.images) == {"vllm"}
    assert {"prometheus", "grafana", "nginx"} <= set(found.shared)
    assert found.settings["vllm"] == "VLLM_IMAGE"
    assert "VLLM_MODEL_ID" in [variable.name for variable in found.variables]


def test_nothing_to_change_is_said_by_nothing() -> None:
    found = usecase.diff(rendered(), rendered())

    assert (found.changes, found.texts) == ((), {})


def test_from_nothing_every_service_is_started() -> None:
    found = usecase.diff(None, rendered("ollama"))

    assert [(c.action, c.service, c.reasons) for c in found.changes] == [
        ("start", "gateway", ("not running",)),
        ("start", "ollama", ("not running",)),
    ]
    assert "--- /dev/null" in found.texts["compose.yaml"]


def test_a_native_project_gives_way_to_containers() -> None:
    native = Project(name="n", stack="llamacpp", services=(Service(name="llamacpp", argv=("a",)),))

    changes = usecase.diff(native, rendered("ollama")).changes

    actions = [(c.action, c.service) for c in changes]
    assert actions == [("remove", "llamacpp"), ("start", "gateway"), ("start", "ollama")]
    (engine, *_) = usecase.diff(native, rendered("llamacpp")).changes[-1:]
    assert engine.reasons == ("moves into Docker",)
    (engine,) = usecase.diff(rendered("llamacpp"), native).changes[-1:]
    assert engine.reasons == ("moves to the host",)


def test_a_change_of_a_process_names_what_differs() -> None:
    service = Service(name="llamacpp", argv=("a",))
    before = Project(name="n", stack="llamacpp", services=(service,))
    after = replace(before, services=(replace(service, argv=("b",), env={"A": "1"}),))

    (change,) = usecase.diff(before, after).changes

    assert change.reasons == ("command changed", "environment changed")


def test_a_change_names_the_keys_and_files_it_comes_from() -> None:
    before = rendered(monitoring=True)
    after = rendered(monitoring=True, CACHE_SIZE=1024, PROMETHEUS_SCRAPE_INTERVAL="5s")

    found = usecase.diff(before, after)

    assert [(c.action, c.service, c.reasons) for c in found.changes] == [
        ("restart", "prometheus", ("config/monitoring/prometheus/prometheus.yml changed",)),
        (
            *("restart", "grafana"),
            ("config/monitoring/grafana/datasources/prometheus.yaml changed",),
        ),
        ("restart", "llamacpp", ("command changed",)),
    ]
    assert '-      - "512"\n+      - "1024"' in found.texts["compose.yaml"]
    assert '+  scrape_interval: "5s"' in found.texts["config/monitoring/prometheus/prometheus.yml"]


def test_a_new_secret_restarts_who_reads_it_and_is_not_shown() -> None:
    secrets = {**SECRETS, "api-key": "api-key-new"}
    found = usecase.diff(rendered(), rendered(secrets=secrets))

    assert [(c.service, c.reasons) for c in found.changes] == [
        ("gateway", ("secrets/api-key changed",))
    ]
    assert "api-key-new" not in str(found.texts)


def test_another_route_restarts_nothing() -> None:
    other = replace(MODELS["ollama"], aliases=("another",))

    found = usecase.diff(rendered("ollama"), rendered("ollama", model=other))

    assert found.changes == ()
    assert set(found.texts) == {"live/routes.yaml"}


def test_digests_are_told_apart_from_images_built_here_and_those_that_are_missing() -> None:
    project = rendered("ollama", digests={"ollama/ollama:0.35.1": f"sha256:{'0' * 64}"})
    known = {"ollama/ollama:0.35.1": "sha256:1", "frontier-gateway:1.0.0-0123456789ab": ""}

    assert usecase.digests(project, FakeImages(known)) == (
        {"ollama/ollama:0.35.1": "sha256:1"},
        (),
        ("frontier-gateway:1.0.0-0123456789ab",),
    )
    assert usecase.digests(rendered("ollama"), FakeImages({}))[1] == (
        "frontier-gateway:1.0.0-0123456789ab",
        "ollama/ollama:0.35.1",
    )


def test_the_lock_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    lock = ImagesLock(tmp_path / "config" / "images.lock.yaml")
    digests = {"b:1": f"sha256:{'b' * 64}", "a/a:1": f"sha256:{'a' * 64}"}

    assert lock.load() == {}
    lock.save(digests)
    assert lock.load() == digests
    lock.save({})
    assert lock.load() == {}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("images: {}\n", ":1: wants `version: 1` and `images`"),
        ("version: 2\nimages: {}\n", ":1: wants `version: 1`"),
        ("version: 1\nimages: {}\nmore: 1\n", ":1: wants `version: 1`"),
        ("version: 1\nimages:\n  a:1: sha256:12\n", ":3: images.a:1: wants sha256:<64 digits>"),
    ],
)
def test_a_wrong_lock_file_is_named_with_line(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "lock.yaml").write_text(text)

    with pytest.raises(ConfigError) as caught:
        ImagesLock(tmp_path / "lock.yaml").load()

    assert complaint in caught.value.message
    assert "frontier stack lock" in caught.value.hint


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with a model, secrets and routes of the user's own."""
    root = Workspace(tmp_path / "work")
    blob = root.root / MODELS["gguf"].blob
    for path, text in (
        (blob, "model"),
        (root.models_yaml, "version: 1\n"),
        *((root.secrets / SECRETS[kind], "secret") for kind in GATEWAY_KEYS),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def ejected(workspace: Workspace, target: Path, **options: bool) -> tuple[str, ...]:
    project = rendered("llamacpp", prefix="./workspace")
    force = options.get("force", False)
    return eject(project, target, workspace, context=None, force=force)


def test_an_ejected_folder_has_all_that_compose_needs(workspace: Workspace, tmp_path: Path) -> None:
    target = tmp_path / "out"

    files = ejected(workspace, target)

    assert files == (
        "compose.yaml",
        "live/routes.yaml",
        "models/smollm2-135m.gguf",
        "secrets/admin-key",
        "secrets/api-key",
        "secrets/metrics-key",
        "workspace/config/models.yaml",
    )
    assert (target / "secrets/api-key").stat().st_mode & 0o777 == 0o600
    assert (target / "models/smollm2-135m.gguf").stat().st_nlink == 2
    assert "../" not in (target / "compose.yaml").read_text()


def test_a_folder_that_is_not_empty_is_refused_and_with_force_nothing_is_deleted(
    workspace: Workspace, tmp_path: Path
) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "mine").write_text("mine")

    with pytest.raises(RefusedError, match="is not empty"):
        ejected(workspace, target)
    assert [path.name for path in target.iterdir()] == ["mine"]

    assert "mine" in ejected(workspace, target, force=True)
    ejected(workspace, target, force=True)  # twice: files are replaced


def test_a_file_and_the_workspace_itself_are_no_targets(
    workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(RefusedError, match="is a file"):
        ejected(workspace, tmp_path / "file")
    with pytest.raises(RefusedError, match="is Frontier's own folder"):
        ejected(workspace, workspace.root, force=True)


def test_a_secret_that_is_gone_is_told(workspace: Workspace, tmp_path: Path) -> None:
    (workspace.secrets / "api-key-00000000").unlink()

    with pytest.raises(NotFoundError, match="api-key-00000000 is gone"):
        ejected(workspace, tmp_path / "out")


def test_the_gateways_image_goes_along(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text("FROM x\n")
    project = rendered("ollama", prefix="./workspace")

    eject(project, tmp_path / "o", workspace, context=tmp_path / "context", force=False)

    assert (tmp_path / "o" / usecase.CONTEXT / "Dockerfile").exists()
    assert (tmp_path / "o" / "workspace/data/ollama").is_dir()


def test_the_commands_that_start_an_ejected_folder_can_be_typed() -> None:
    done = usecase.Ejected(
        stack="vllm", folder="/a b", files=(), image="g:1", base_image="p:3", has_context=True
    )

    assert done.commands == (
        "docker build -t g:1 --build-arg BASE=p:3 '/a b'/gateway-image",
        "docker compose --project-directory '/a b' up -d --wait",
    )
    assert len(replace(done, has_context=False).commands) == 1


def test_what_a_service_mounts_is_known_by_path() -> None:
    found = containers("llamacpp")

    assert set(found.mounted("llamacpp")) == {"models/smollm2-135m.gguf"}
    assert set(found.mounted("gateway")) == {
        *(f"secrets/{kind}" for kind in GATEWAY_KEYS),
        "live/routes.yaml",
    }


@pytest.mark.parametrize(
    ("folder", "name"),
    [("My Stack.2", "my-stack-2"), ("frontier", "frontier-vllm"), ("ü", "vllm"), ("vllm", "vllm")],
)
def test_an_ejected_folder_names_its_project(folder: str, name: str) -> None:
    assert usecase.project_name(folder, "vllm", taken="frontier") == name


def test_ports_that_are_taken_by_what_runs_are_named() -> None:
    project = rendered("llamacpp")

    assert usecase.collisions(project, None) == ()
    assert usecase.collisions(project, project) == tuple(
        sorted({e.port for e in usecase.ports_of(project)})
    )
    assert usecase.collisions(project, replace(project, address="127.0.0.9", containers=None)) == ()

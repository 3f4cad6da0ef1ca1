from pathlib import Path

import pytest

from compose_specs import shipped
from frontier.adapters.secrets_folder import SecretsFolder
from frontier.adapters.workspace import Workspace
from frontier.bootstrap.assembly import Assembly, architecture, container_user
from frontier.domain.docker import DockerFacts
from frontier.domain.errors import ConfigError
from frontier.domain.machine import Cpu, Gpu, Machine
from frontier.domain.model import Model
from frontier.settings import Settings

CPU = Cpu(model="x", physical=2, logical=2, usable=2)
MACHINE = Machine(
    os="linux", os_version="", arch="x86_64", cpu=CPU, memory=None, disk=None,
    gpus=(Gpu(vendor="nvidia", name="L4", compute_capability="8.9"),),
)  # fmt: skip
OLD = DockerFacts(engine="20.10.24", api="1.41", compose="2.30", memory_bytes=1, cpus=1, arch="aarch64")  # fmt: skip  # noqa: E501 - one value


def assembly(
    tmp_path: Path,
    docker: DockerFacts | None = None,
    *,
    is_preview: bool = False,
    **settings: object,
) -> Assembly:
    return Assembly(
        settings=Settings.model_validate(settings),
        variables={},
        workspace=Workspace(tmp_path),
        secrets=SecretsFolder(Workspace(tmp_path).secrets, is_preview=is_preview),
        gateway_image="frontier-gateway:1",
        docker=docker,
    )


def test_secrets_become_files_and_stand_in_no_setting(tmp_path: Path) -> None:
    made = assembly(tmp_path, api_key="opensesame", hf_token="hf_1", enable_ssl=True)

    spec = made.spec(shipped("vllm"), None, MACHINE, "cpu")

    assert set(spec.secrets) == {
        "admin-key", "metrics-key", "api-key", "hf-token", "grafana-admin-password",
        "tls-certificate", "tls-key",
    }  # fmt: skip
    assert (tmp_path / ".frontier/secrets" / spec.secrets["api-key"]).read_text() == "opensesame"
    assert "opensesame" not in repr(spec)
    assert "API_KEY" not in spec.settings


def test_the_same_secrets_have_the_same_files(tmp_path: Path) -> None:
    made = assembly(tmp_path, enable_ssl=True)

    first, second = (made.spec(shipped("vllm"), None, MACHINE, "cpu") for _ in range(2))

    assert first.secrets == second.secrets


def test_a_preview_writes_nothing_and_says_what_is_there(tmp_path: Path) -> None:
    given: dict[str, object] = {"api_key": "opensesame", "enable_ssl": True}
    preview = assembly(tmp_path, is_preview=True, **given)

    before = preview.spec(shipped("vllm"), None, MACHINE, "cpu")
    assert not [*tmp_path.iterdir()]
    real = assembly(tmp_path, **given).spec(shipped("vllm"), None, MACHINE, "cpu")

    assert before.secrets.keys() == real.secrets.keys()
    assert preview.spec(shipped("vllm"), None, MACHINE, "cpu").secrets == real.secrets


def test_the_docker_engine_decides_architecture_and_health_checks(tmp_path: Path) -> None:
    spec = assembly(tmp_path, OLD).spec(shipped("vllm"), None, MACHINE, "cuda")

    assert (spec.arch, spec.has_start_interval) == ("arm64", False)
    assert (spec.compute_capability, spec.gpu_exporter) == ("8.9", True)


def test_a_stored_model_is_named_by_its_place_below_the_workspace(tmp_path: Path) -> None:
    path = tmp_path / "data/models/blobs/sha256-a"
    stored = Model(
        name="a:b", digest="a", size_bytes=5, source="file:a", file_name="a.gguf", path=path
    )

    model = assembly(tmp_path).spec(shipped("llamacpp"), stored, MACHINE, "cpu", context=9).model

    assert model
    assert (model.blob, model.context, model.aliases) == ("data/models/blobs/sha256-a", 9, ("a",))


def test_paths_of_settings_are_absolute_and_may_be_mounted(tmp_path: Path) -> None:
    spec = assembly(tmp_path, ollama_models_path="mine").spec(
        shipped("ollama"), None, MACHINE, "cpu"
    )

    assert spec.host_paths == {str(tmp_path / "mine")}


def test_a_processor_without_images_is_told() -> None:
    with pytest.raises(ConfigError, match="no images for the processor 'riscv64'"):
        architecture("riscv64")


def test_containers_run_as_nobody_whom_the_machine_knows_as_root(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.getuid", lambda: 0)
    assert container_user(None) == "10001:10001"
    monkeypatch.setattr("os.getuid", lambda: 501)
    monkeypatch.setattr("os.getgid", lambda: 20)
    assert container_user(None) == "501:20"

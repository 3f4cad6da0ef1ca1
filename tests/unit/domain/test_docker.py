import pytest

from frontier.domain.containers import Containers
from frontier.domain.docker import (
    DockerFacts,
    Endpoint,
    bytes_of,
    endpoints,
    hint_for,
    images,
    require_memory,
    version_of,
    why_ended,
)
from frontier.domain.errors import DoesNotFitError

GIB = 2**30


def facts(memory_bytes: int = 8 * GIB, **more: object) -> DockerFacts:
    plain = {"engine": "28.0", "api": "1.50", "compose": "5.0", "cpus": 2, "arch": "x86_64"}
    return DockerFacts(memory_bytes=memory_bytes, **{**plain, **more})


def containers(**services: object) -> Containers:
    return Containers(document={"name": "p", "services": services})


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("8g", 8 * GIB), ("512M", 2**29), ("1.5gb", 3 * GIB // 2), ("64KiB", 2**16), (7, 7), ("x", 0)],
)
def test_sizes_are_read_as_compose_means_them(text: object, size_bytes: int) -> None:
    assert bytes_of(text) == size_bytes


@pytest.mark.parametrize(
    ("text", "version"), [("v2.30.1-desktop.1", (2, 30)), ("20.10.24+dfsg1", (20, 10)), ("x", ())]
)
def test_versions_are_compared_by_their_first_two_numbers(
    text: str, version: tuple[int, ...]
) -> None:
    assert version_of(text) == version


def test_limits_that_docker_has_not_the_memory_for_are_refused_with_the_largest_named() -> None:
    limits = {"deploy": {"resources": {"limits": {"memory": "6g"}}}}
    asked = containers(engine=limits, grafana={"mem_limit": "3g"}, free={})

    with pytest.raises(DoesNotFitError) as refused:
        require_memory(asked, facts(8 * GIB, is_desktop=True))

    assert refused.value.message == (
        "the containers may take 9.0 GiB together, Docker has 8.0 GiB; "
        "the most is engine's: 6.0 GiB"
    )
    assert "Memory limit: raise it" in refused.value.hint
    assert refused.value.exit_code == 5
    require_memory(asked, facts(9 * GIB))


def test_on_linux_the_hint_is_about_the_model_and_not_about_a_virtual_machine() -> None:
    with pytest.raises(DoesNotFitError) as refused:
        require_memory(containers(engine={"mem_limit": "9g"}), facts())

    assert refused.value.hint.startswith("Take a smaller model")


def test_published_ports_are_read_in_all_their_forms() -> None:
    published = endpoints(
        containers(
            a={"ports": ["127.0.0.1:80:8080", "81:8081", "[::1]:82:8082/tcp", 9000, "0:99"]},
            b={
                "ports": [{"target": 1, "published": "83-84", "host_ip": "10.0.0.1"}, {"target": 2}]
            },
        )
    )

    assert published == {
        Endpoint("127.0.0.1", 80): "a",
        Endpoint("0.0.0.0", 81): "a",
        Endpoint("::1", 82): "a",
        Endpoint("10.0.0.1", 83): "b",
        Endpoint("10.0.0.1", 84): "b",
    }


def test_everywhere_is_in_the_way_of_every_address_on_the_same_port() -> None:
    assert Endpoint("0.0.0.0", 80).collides(Endpoint("127.0.0.1", 80))
    assert not Endpoint("0.0.0.0", 80).collides(Endpoint("127.0.0.1", 81))
    assert not Endpoint("10.0.0.1", 80).collides(Endpoint("127.0.0.1", 80))


def test_services_that_are_only_built_have_no_image() -> None:
    assert images(containers(a={"image": "x:1"}, b={"build": "."})) == {"a": "x:1"}


def test_nvidia_comes_as_a_runtime_or_as_a_cdi_device() -> None:
    assert facts(runtimes=("nvidia", "runc")).has_nvidia
    assert facts(cdi_devices=("nvidia.com/gpu=all",)).has_nvidia
    assert not facts(runtimes=("runc",)).has_nvidia


@pytest.mark.parametrize(
    ("exit_code", "is_oom", "error", "reason"),
    [
        (137, True, "", "out of memory: it took more than its limit"),
        (137, False, "", "killed by SIGKILL"),
        (128, False, "no such device", "no such device"),
        (3, False, "", "ended with exit code 3"),
    ],
)
def test_an_ending_is_told_in_words(exit_code: int, is_oom: bool, error: str, reason: str) -> None:
    assert why_ended(exit_code, is_oom=is_oom, error=error) == reason


@pytest.mark.parametrize(
    ("reason", "log", "hint"),
    [
        ("out of memory: it took more than its limit", "", "MEMORY_LIMIT"),
        ("", "torch.OutOfMemoryError: CUDA out of memory", "MAX_CONTEXT_LENGTH"),
        ("", "exec /app: exec format error", "another kind of processor"),
        ("ended with exit code 127", "", "_IMAGE settings"),
        ("", "listen: address already in use", "has its port"),
        ("", "no CUDA-capable device is detected", "nvidia-ctk"),
        ("", "401 Client Error: gated repo", "HF_TOKEN"),
        ("", "No space left on device", "docker system df"),
        ("", "open /models/m.gguf: permission denied", "`user`"),
        ("ended with exit code 3", "boom", "frontier logs engine"),
    ],
)
def test_what_a_container_said_last_leads_to_the_next_move(
    reason: str, log: str, hint: str
) -> None:
    assert hint in hint_for("engine", reason, log)

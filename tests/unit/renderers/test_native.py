from dataclasses import replace
from pathlib import Path

import pytest

from frontier.domain.project import Project, Route
from frontier.domain.supervision import check
from frontier.renderers.native import EngineSpec, GatewaySpec, render

ENGINE = EngineSpec(argv=("llama-server",), model="smollm2:135m", path=Path("/m/a.gguf"))
GATEWAY = GatewaySpec(
    python="/py",
    bind="127.0.0.1",
    ports=(11434, 8081),
    config=(Path("/w/.frontier/run/routes.yaml"), Path("/w/config/models.yaml")),
)


def argv(project: Project, name: str) -> str:
    return " ".join(next(s for s in project.services if s.name == name).argv)


def test_a_model_becomes_an_engine_and_a_gateway_that_knows_the_way() -> None:
    project = render("llamacpp", ENGINE, GATEWAY)

    check(project.services)
    assert [s.name for s in project.services] == ["llamacpp", "gateway"]
    assert project.routes == (
        Route(model="smollm2:135m", service="llamacpp", backend="llamacpp", context=4096),
    )
    assert argv(project, "llamacpp") == (
        "llama-server --model /m/a.gguf --alias smollm2:135m --host 127.0.0.1 --port {port} "
        "--ctx-size 4096 --parallel 1 --cache-ram 512 --pooling mean "
        "--metrics --embeddings --kv-unified --no-context-shift"
    )
    assert argv(project, "gateway") == (
        "/py -m frontier.gateway --listen 127.0.0.1:11434 --listen 127.0.0.1:8081 "
        "--config /w/.frontier/run/routes.yaml --config /w/config/models.yaml "
        "--max-body-bytes 104857600 --drain-s 30"
    )
    assert project.services[0].proof_model == "smollm2:135m"
    assert (project.services[1].port, project.services[1].health_path) == (11434, "/healthz")


def test_the_context_is_meant_per_slot() -> None:
    engine = replace(ENGINE, context=2048, parallel=4)

    assert "--ctx-size 8192 --parallel 4" in argv(render("s", engine, GATEWAY), "llamacpp")


def test_options_that_are_not_set_are_left_to_the_engine() -> None:
    engine = replace(ENGINE, threads=8, flash_attention=False)

    rendered = render("s", engine, GATEWAY)

    assert "--threads 8 --flash-attn off --metrics" in argv(rendered, "llamacpp")


def test_an_engine_can_be_told_to_flash() -> None:
    engine = replace(ENGINE, flash_attention=True)

    assert "--flash-attn on" in argv(render("s", engine, GATEWAY), "llamacpp")


@pytest.mark.parametrize(
    ("bind", "listening"),
    [
        ("0.0.0.0", ["0.0.0.0:1", "0.0.0.0:2"]),
        ("localhost", ["localhost:1", "localhost:2"]),
        ("::", ["[::]:1", "[::]:2"]),
        ("192.168.1.5", ["192.168.1.5:1", "192.168.1.5:2", "127.0.0.1:1"]),
        ("::1", ["[::1]:1", "[::1]:2", "127.0.0.1:1"]),
    ],
)
def test_the_daemon_reaches_the_gateway_on_loopback_wherever_it_listens(
    bind: str, listening: list[str]
) -> None:
    words = argv(render("s", ENGINE, replace(GATEWAY, bind=bind, ports=(1, 2))), "gateway").split()

    assert [words[i + 1] for i, word in enumerate(words) if word == "--listen"] == listening


def test_one_port_twice_is_listened_on_once_and_the_key_file_is_passed() -> None:
    gateway = replace(GATEWAY, ports=(11434, 11434), api_key_file=Path("/w/key"))

    words = argv(render("s", ENGINE, gateway), "gateway")

    assert words.count("--listen") == 1
    assert "--api-key-file /w/key" in words


def test_the_gateway_gets_time_for_its_drain() -> None:
    rendered = render("s", ENGINE, replace(GATEWAY, drain_timeout_s=60))

    assert rendered.services[1].stop_grace_s == 65


def test_a_cache_of_fewer_bits_is_asked_for_twice() -> None:
    project = render("llamacpp", replace(ENGINE, kv_type="q8_0"), GATEWAY)
    assert "--cache-type-k q8_0 --cache-type-v q8_0" in argv(project, "llamacpp")

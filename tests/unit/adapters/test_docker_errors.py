"""What docker really said, recorded, and what people read instead."""

import pytest
from python_on_whales.exceptions import DockerException

from frontier.adapters.docker_errors import explain, missing_docker, silent_docker, words

DAEMON = "Error response from daemon: "
ENDPOINT = "driver failed programming external connectivity on endpoint p-a-1 (6d9f): "


@pytest.mark.parametrize(
    ("said", "kind", "message", "hint"),
    [
        (
            "permission denied while trying to connect to the Docker daemon socket at unix:///var/"
            "run/docker.sock: dial unix /var/run/docker.sock: connect: permission denied",
            "RuntimeFailedError",
            "this user may not use Docker",
            "usermod -aG docker",
        ),
        (
            "Cannot connect to the Docker daemon at unix:///nope.sock. Is the docker daemon "
            "running?",
            "RuntimeFailedError",
            "Docker is not running",
            "--runtime native",
        ),
        (
            f"{DAEMON}{ENDPOINT}Bind for 127.0.0.1:28812 failed: port is already allocated",
            "PortTakenError",
            "port 28812 is taken",
            "config set",
        ),
        (
            f"{DAEMON}{ENDPOINT}Error starting userland proxy: listen tcp4 127.0.0.1:28811: bind: "
            "address already in use",
            "PortTakenError",
            "port 28811 is taken",
            "config set",
        ),
        (
            f"{DAEMON}failed to set up container networking: {ENDPOINT}failed to bind host port "
            "127.0.0.1:28811/tcp: address already in use",
            "PortTakenError",
            "port 28811 is taken",
            "config set",
        ),
        (
            f"{DAEMON}Ports are not available: exposing port TCP 127.0.0.1:80 -> 127.0.0.1:0: "
            "listen tcp 127.0.0.1:80: bind: address already in use",
            "PortTakenError",
            "port 80 is taken",
            "config set",
        ),
        (
            f"{DAEMON}{ENDPOINT}Error starting userland proxy: listen tcp4 10.9.9.9:28811: bind: "
            "cannot assign requested address",
            "ConfigError",
            "cannot listen on 10.9.9.9",
            "BIND_ADDRESS",
        ),
        (
            "unknown flag: --project-name\n\nUsage:  docker [OPTIONS] COMMAND [ARG...]",
            "RuntimeFailedError",
            "Docker has no Compose",
            "docker-compose-plugin",
        ),
        (
            "docker: 'compose' is not a docker command.\nSee 'docker --help'",
            "RuntimeFailedError",
            "Docker has no Compose",
            "docker-compose-plugin",
        ),
        (
            f'{DAEMON}could not select device driver "nvidia" with capabilities: [[gpu]]',
            "RuntimeFailedError",
            "cannot give containers the GPU",
            "nvidia-ctk",
        ),
        (
            f'{DAEMON}error gathering device information while adding custom device "/dev/kfd": no '
            "such file or directory",
            "RuntimeFailedError",
            "no device /dev/kfd",
            "doctor",
        ),
        (
            f"{DAEMON}write /var/lib/docker/tmp/x: no space left on device",
            "StorageError",
            "full",
            "docker system df",
        ),
        (
            f"{DAEMON}OCI runtime create failed: exec /bin/x: exec format error",
            "RuntimeFailedError",
            "another kind of processor",
            "--platform",
        ),
        (
            f"{DAEMON}failed to create shim task: OCI runtime create failed: runc create failed: "
            'unable to start container process: exec: "nope": executable file not found in $PATH: '
            "unknown",
            "RuntimeFailedError",
            "the image cannot run nope: executable file not found in $PATH",
            "_IMAGE settings",
        ),
        (
            f"{DAEMON}Mounts denied: The path /w is not shared from the host",
            "RuntimeFailedError",
            "Docker Desktop may not see",
            "File sharing",
        ),
        (
            f"{DAEMON}could not find an available, non-overlapping IPv4 address pool among the "
            "defaults to assign to the network",
            "RefusedError",
            "no free range of addresses",
            "docker network",
        ),
        (
            f"{DAEMON}manifest unknown",
            "DownloadError",
            "has no such image",
            "docker login",
        ),
        (
            f"{DAEMON}pull access denied for x, repository does not exist",
            "DownloadError",
            "has no such image",
            "docker login",
        ),
        (
            f'{DAEMON}Get "https://registry-1.docker.io/v2/": dial tcp: lookup '
            "registry-1.docker.io on 10.0.0.1:53: no such host\n"
            f"{DAEMON}no such image: x:1: No such image: x:1",
            "RuntimeFailedError",
            "x:1",
            "docker load",
        ),
        (
            f'{DAEMON}Get "https://registry-1.docker.io/v2/": dial tcp: i/o timeout',
            "DownloadError",
            "the registry cannot be reached",
            "network",
        ),
        (
            "validating /w/compose.yaml: services.a.commandx false schema",
            "ConfigError",
            "services.a.commandx",
            "frontier stack render",
        ),
        (
            f"{DAEMON}something new",
            "RuntimeFailedError",
            "docker failed while testing: something new",
            "doctor",
        ),
    ],
)
def test_words_of_docker_become_an_error_with_the_next_move(
    said: str, kind: str, message: str, hint: str
) -> None:
    error = explain("testing", said)

    assert type(error).__name__ == kind
    assert message in error.message
    assert hint in error.hint
    assert "\n" not in error.message


def failed(stderr: str, code: int = 1) -> DockerException:
    return DockerException(["docker"], code, None, stderr.encode())


def test_a_docker_host_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://{nowhere}:1")

    error = explain("asking", "Cannot connect to the Docker daemon at tcp://nowhere:1.")

    assert error.hint.startswith("DOCKER_HOST says tcp://{nowhere}:1: correct it, or unset")


def test_of_composes_events_only_its_errors_are_told() -> None:
    said = (
        '{"id":"Container p-a-1","status":"Working","text":"Creating"}\n'
        '{"level":"warning","msg":"old"}\n{"level":"error","msg":"bad"}\n'
        '{"error":true,"message":"worse"}\n{half a line\nplain words'
    )

    assert words(failed(said)).splitlines() == ["bad", "worse", "{half a line", "plain words"]


def test_a_docker_that_says_nothing_is_told_by_its_exit_code() -> None:
    assert words(failed("", 7)) == "it ended with exit code 7"


def test_earlier_lines_become_details() -> None:
    error = explain("testing", "one\ntwo\nthree")

    assert (error.message, error.details) == ("docker failed while testing: three", "one\ntwo")


def test_no_docker_and_a_silent_one_are_told_with_a_way_out() -> None:
    assert "not installed" in missing_docker().message
    assert "--runtime native" in missing_docker().hint
    assert silent_docker(30).message == "Docker did not answer within 30 s"

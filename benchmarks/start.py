"""How long `frontier start` takes until all services are ready, beside plain Docker Compose.

Both start the very same project folder, llama.cpp with monitoring and nginx, in turn, after its
containers and networks were removed. `frontier start` counts from the key press: the interpreter,
the look at the machine, rendering, checks, and Compose. Its time to the streamed token is told
as well, but has no bound: Compose gives none. The ratio of the medians of one run counts, and with
--check the exit code is 1 when it is above the bound.

Docker before 25 looks at a container's health for the first time after a whole interval, which
Frontier does not wait for. There the plain side gets an interval of a second, as newer engines look
every second at the start: it must not lose by that.
"""

import argparse
import contextlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from docker_compose import provide_compose
from docker_fixtures import ComposeProject
from docker_images import DockerMissingError, docker, ensure_images
from downloads import downloads
from frontier_cli import Frontier, free_port

BOUND = 1.15


@dataclass(frozen=True)
class Sides:
    """One project and the two ways to start it.

    Attributes:
        cli: Runs `frontier` in the workspace of the project.
    """

    cli: Frontier
    project: ComposeProject

    def _compose(self) -> list[str]:
        folder = self.cli.workspace / ".frontier" / "project"
        text = (folder / "compose.yaml").read_text()
        if "start_interval:" not in text:
            text = re.sub(r"(\binterval:) .*", r"\1 1s", text)
        (folder / "plain.yaml").write_text(text)
        return ["compose", "--file", str(folder / "plain.yaml")]

    def plain(self) -> float:
        """Return the seconds of ``docker compose up -d --wait``, from nothing."""
        self.remove()
        compose = self._compose()
        begun = time.monotonic()
        docker(*compose, "up", "--detach", "--wait", "--quiet-pull")
        return time.monotonic() - begun

    def frontier(self) -> tuple[float, float]:
        """Return the seconds of ``frontier start`` until all is ready, and until its token."""
        self.remove()
        begun, ready_s = time.monotonic(), 0.0
        argv, environ = self.cli.argv("start"), self.cli.environ
        with subprocess.Popen(
            argv, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr
            said = []
            for line in process.stderr:
                said.append(line)
                if line.startswith("Starting ") and ": done in " in line:
                    ready_s = time.monotonic() - begun
        assert process.returncode == 0, "".join(said)
        assert ready_s, f"it does not say when all is ready: {''.join(said)}"
        return ready_s, time.monotonic() - begun

    def remove(self) -> None:
        """Remove containers and networks."""
        docker(*self._compose(), "down", "--remove-orphans")


@contextlib.contextmanager
def sides() -> Iterator[Sides]:
    """Yield the project, made by a first `frontier start`; removed afterwards."""
    provide_compose()
    project = ComposeProject(f"frontier-bench-{uuid.uuid4().hex[:10]}")
    settings = {
        **ensure_images(downloads()),
        "PROJECT_NAME": project.name,
        "RUNTIME": "docker",
        "PULL_POLICY": "never",
        "ENABLE_MONITORING": "true",
        "ENABLE_NGINX": "true",
        "GRAFANA_PORT": "0",  # the suite has no image of it
    }
    ports = ("PROMETHEUS_PORT", "NGINX_HTTP_PORT", "NGINX_HTTPS_PORT")
    settings |= {name: str(free_port()) for name in ports}
    with tempfile.TemporaryDirectory(prefix="frontier-bench-") as folder:
        cli = Frontier(Path(folder) / "workspace", env=settings)
        try:
            cli.ok("models", "pull", "smollm2:135m")
            cli.ok("stack", "select", "llamacpp")
            cli.ok("start")
            yield Sides(cli, project)
        finally:
            project.remove()


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--check", action="store_true", help="exit 1 above the bound")
    options = parser.parse_args()
    try:
        with sides() as both:
            rounds = [(both.plain(), *both.frontier()) for _ in range(options.rounds)]
    except DockerMissingError as error:
        print(f"frontier start: not measured, no Docker engine answers: {error}")
        return int("CI" in os.environ and options.check)
    for plain_s, ready_s, token_s in rounds:
        print(f"  compose {plain_s:6.2f} s   frontier {ready_s:6.2f} s, token {token_s:6.2f} s")
    plain_s, ready_s, token_s = map(statistics.median, zip(*rounds, strict=True))
    ratio = ready_s / plain_s
    print(f"docker compose up -d --wait  {plain_s:5.2f} s")
    print(f"frontier start, ready        {ready_s:5.2f} s: {ratio:.2f} times, bound {BOUND}")
    print(f"frontier start, token        {token_s:5.2f} s")
    return int(ratio > BOUND and options.check)


if __name__ == "__main__":
    sys.exit(main())

"""A workspace whose stacks run in Docker, with the suite's images, and requests that never end."""

import contextlib
import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import openai
from openai import OpenAI

from docker_fixtures import ComposeProject
from docker_images import docker
from frontier_cli import Frontier, free_port

ROOT = Path(__file__).parents[1]


@dataclass
class Stacked:
    """One workspace and its Compose project."""

    cli: Frontier
    project: ComposeProject

    @property
    def containers(self) -> dict[str, str]:
        """Service to container id."""
        ids = self.project.all("container")
        form = '{{index .Config.Labels "com.docker.compose.service"}} {{.Id}}'
        lines = docker("inspect", "--format", form, *ids).split("\n") if ids else []
        return dict(line.split() for line in lines if line)

    def own_stack(self, name: str, *, replace: dict[str, str] | None = None) -> None:
        """Add a stack of the user's own: llama.cpp under another name, texts replaced."""
        folder = self.cli.workspace / "stacks" / name
        shutil.copytree(ROOT / "stacks" / "llamacpp", folder, dirs_exist_ok=True)
        for path in (folder / "stack.yaml", folder / "compose.yaml.j2"):
            text = path.read_text()
            text = text.replace("engine: llamacpp", f"engine: {name}")
            text = text.replace("  llamacpp:\n", f"  {name}:\n").replace(
                'image("llamacpp")', f'image("{name}")'
            )
            for old, new in (replace or {}).items():
                text = text.replace(old, new)
            path.write_text(text)

    def client(self) -> OpenAI:
        return OpenAI(base_url=f"{self.cli.url}/v1", api_key="none", max_retries=0, timeout=120)

    @contextlib.contextmanager
    def under_load(self, clients: int = 3) -> Iterator["Load"]:
        """Ask without a pause while the block runs."""
        load = Load(self.client())
        threads = [threading.Thread(target=load.ask) for _ in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield load
        finally:
            load.stopped.set()
            for thread in threads:
                thread.join()


@dataclass
class Load:
    """What became of many small streamed requests."""

    client: OpenAI
    stopped: threading.Event = field(default_factory=threading.Event)
    answered: int = 0
    failures: list[str] = field(default_factory=list)
    longest_s: float = 0.0

    def ask(self) -> None:
        while not self.stopped.is_set():
            begin = time.monotonic()
            try:
                stream = self.client.chat.completions.create(
                    model="smollm2:135m",
                    messages=[{"role": "user", "content": "One word, please."}],
                    max_tokens=4,
                    stream=True,
                )
                assert list(stream)
                self.answered += 1
            except (openai.OpenAIError, AssertionError) as error:
                self.failures.append(f"{type(error).__name__}: {error}")
            self.longest_s = max(self.longest_s, time.monotonic() - begin)


@contextlib.contextmanager
def stacked(folder: Path, images: dict[str, str], model: Path, **env: str) -> Iterator[Stacked]:
    """Yield a workspace with the small model in its store; fails where something is left behind."""
    project = ComposeProject(f"frontier-test-{uuid.uuid4().hex[:10]}")
    settings = {
        **images,
        "PROJECT_NAME": project.name,
        "RUNTIME": "docker",
        "PULL_POLICY": "never",
        "GRAFANA_PORT": "0",
        "PROMETHEUS_PORT": str(free_port()),
        "MISTRAL_API_PORT": str(free_port()),
        "ENABLE_MONITORING": "false",
        **env,
    }
    folder.mkdir(exist_ok=True)
    cli = Frontier(folder / "workspace", env=settings)
    cli.ok("models", "pull", f"file:{model}", "--name", "smollm2:135m")
    try:
        yield Stacked(cli, project)
        cli.ok("stop")
    finally:
        project.end()

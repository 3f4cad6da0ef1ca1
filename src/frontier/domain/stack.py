"""A stack: a folder that declares services."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from frontier.domain.errors import ConfigError

ENGINES: Final = ("llamacpp", "mistral")
"""Engines that the native runtime can start; containers run any."""

Accelerator = Literal["cpu", "cuda", "rocm"]
"""What a container computes on; Metal reaches no container."""

Value = str | int | float | bool
"""What a variable holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image per accelerator, each pinned by tag.

    Attributes:
        references: Accelerator to image reference; what runs everywhere stands under ``cpu``.
            ``{sm}`` in a reference stands for the GPU's compute capability, ``89`` for 8.9.
        architectures: Accelerator to the machines it exists for: ``amd64``, ``arm64``.
        capabilities: Accelerator to architecture to the compute capabilities it was built for,
            such as ``8.9``; empty where one image serves all.
        setting: Setting that replaces the reference, "" for none; for instance LLAMACPP_IMAGE.
    """

    references: Mapping[str, str]
    architectures: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    capabilities: Mapping[str, Mapping[str, tuple[str, ...]]] = field(
        default_factory=dict[str, Mapping[str, tuple[str, ...]]]
    )
    setting: str = ""

    def reference(self, accelerator: str, arch: str, capability: str = "") -> str:
        """Return the image for a machine.

        Args:
            accelerator: Where there is no image for it, the one for ``cpu`` is meant.
            arch: ``amd64`` or ``arm64``.
            capability: Compute capability of the GPU, ``8.9``; only some images ask.

        Raises:
            ConfigError: there is none for this architecture or GPU.
        """
        kind = accelerator if accelerator in self.references else "cpu"
        reference = self.references[kind]
        if arch not in self.architectures.get(kind, (arch,)):
            raise self._missing(f"{reference} does not exist for {arch}")
        built = self.capabilities.get(kind, {}).get(arch)
        if built is not None and capability not in built:
            raise self._missing(
                f"{reference} does not exist for {arch} and compute capability "
                f"{capability or 'unknown'}, only for {', '.join(built) or 'none'}"
            )
        return reference.replace("{sm}", capability.replace(".", ""))

    def _missing(self, what: str) -> ConfigError:
        replace = f"Name another image: frontier config set {self.setting} IMAGE; or "
        return ConfigError(
            what, hint=f"{replace if self.setting else ''}frontier config set ACCELERATOR cpu"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A setting of one stack, given in ``.env`` or the environment under its own name."""

    name: str
    kind: Literal["text", "integer", "number", "switch"]
    default: Value
    help: str

    def parse(self, text: str) -> Value:
        """Return the value that *text* means.

        Raises:
            ValueError: it is not of this kind; the message says what is wanted.
        """
        if self.kind == "text":
            return text
        if self.kind == "switch":
            return _switch(text)
        try:
            return int(text) if self.kind == "integer" else float(text)
        except ValueError:
            wanted = "a whole number" if self.kind == "integer" else "a number"
            raise ValueError(f"{text!r} is not {wanted}") from None


def _switch(text: str) -> bool:
    if text.lower() in ("true", "1", "yes", "on"):
        return True
    if text.lower() in ("false", "0", "no", "off"):
        return False
    raise ValueError(f"{text!r} is neither true nor false")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """Services that every stack shares: ``stacks/common/<name>``.

    Attributes:
        images: Service name to its image.
        texts: Path in the folder to text: ``compose.yaml.j2`` and what ``config/`` holds.
        origin: The folder, for messages.
    """

    name: str
    images: Mapping[str, Image] = field(default_factory=dict[str, Image])
    texts: Mapping[str, str] = field(default_factory=dict[str, str])
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """What ``stacks/<name>/stack.yaml`` says, with the folder's texts.

    Attributes:
        engine: Name of the service that computes tokens; one of `ENGINES` where it is to run
            natively.
        backend: The engine's kind as the gateway's route files name it.
        port: Where the engine's container listens.
        health_path: HTTP path that answers 200 when the engine works.
        metrics_path: HTTP path of the engine's Prometheus metrics, "" where it has none.
        model_format: How the engine gets its model: ``gguf`` a file of the store, ``hub`` a
            repository that the engine fetches itself, ``ollama`` its own pull API, ``none``.
        model_setting: Setting or variable that names a model instead of DEFAULT_MODEL, "" for
            none; what it names is fetched by the engine itself.
        upstream_model: What the engine calls the one model it serves; "" where it takes ours.
        provides: Capabilities it offers, such as ``openai-api``.
        needs: What the machine must have, such as ``gpu``.
        runtimes: Where it can run, preferred first: ``native``, ``docker``.
        start_timeout_s: Seconds that the engine may take beside loading the model.
        images: Service name to its image.
        texts: Path in the folder to text: ``compose.yaml.j2`` and what ``config/`` holds.
        origin: The folder, for messages.
        engine_line: Where ``stack.yaml`` names the engine, for messages; 0 where nobody knows.
    """

    name: str
    title: str
    engine: str
    summary: str = ""
    backend: str = "openai"
    port: int = 8000
    health_path: str = "/health"
    metrics_path: str = ""
    model_format: Literal["gguf", "hub", "ollama", "none"] = "gguf"
    model_setting: str = ""
    upstream_model: str = ""
    provides: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ("native",)
    start_timeout_s: float = 60.0
    images: Mapping[str, Image] = field(default_factory=dict[str, Image])
    variables: Mapping[str, Variable] = field(default_factory=dict[str, Variable])
    texts: Mapping[str, str] = field(default_factory=dict[str, str])
    origin: str = ""
    engine_line: int = 0

    @property
    def accelerators(self) -> tuple[str, ...]:
        """Return what the engine has images for, as `Image` has them in order."""
        return tuple(self.images[self.engine].references) if self.engine in self.images else ()

"""Settings, secrets and the machine become what a rendered project depends on."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, get_args

from pydantic import SecretStr

from frontier.adapters.model_details import read_details
from frontier.adapters.secrets_folder import SecretsFolder
from frontier.adapters.workspace import Workspace
from frontier.domain.docker import DockerFacts, version_of
from frontier.domain.errors import ConfigError
from frontier.domain.machine import Machine
from frontier.domain.model import Model
from frontier.domain.stack import Accelerator, Stack, Value
from frontier.renderers.compose_spec import ComposeSpec, ModelSpec
from frontier.renderers.gateway_image import UID
from frontier.settings import Settings

_ARCHITECTURES: Final[dict[str, Literal["amd64", "arm64"]]] = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "aarch64": "arm64",
    "arm64": "arm64",
}
_PATHS: Final = ("OLLAMA_MODELS_PATH", "MISTRAL_MODELS_PATH", "MISTRAL_TOKENIZER_JSON")
_SECRETS: Final = frozenset(
    name for name, info in Settings.model_fields.items() if SecretStr in get_args(info.annotation)
)
_KNOWS_START_INTERVAL: Final = (25, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """What a project is rendered from, apart from the stack and its model.

    Attributes:
        variables: Values of the stack's own variables.
        docker: The Docker it is for, None to render for any.
        digests: Image reference to digest, from the lock file.
        prefix: The workspace as seen from the project folder.
    """

    settings: Settings
    variables: Mapping[str, Value]
    workspace: Workspace
    secrets: SecretsFolder
    gateway_image: str
    docker: DockerFacts | None = None
    digests: Mapping[str, str] = field(default_factory=dict[str, str])
    prefix: str = "../.."

    def spec(
        self,
        stack: Stack,
        model: Model | None,
        machine: Machine,
        accelerator: Accelerator,
        *,
        context: int = 0,
        gpu: Mapping[str, Any] | None = None,
        engine_url: str = "",
    ) -> ComposeSpec:
        """Return what the renderer needs; secrets are kept as files, but for a preview.

        Args:
            stack: What is to run.
            model: A stored one, or with an empty path one that the engine fetches; None for an
                engine without a model.
            machine: Tells the GPU's compute capability.
            accelerator: What the engine computes on.
            context: Tokens of one request slot; 0 means MAX_CONTEXT_LENGTH.
            gpu: What the engine's service needs for its GPU, as Compose has it.
            engine_url: Where an engine on the host listens, as containers see it.

        Raises:
            ConfigError: the machine's processor has no images, a certificate is wrong.
            StorageError: a secret cannot be written.
        """
        return replace(
            self._around(stack, machine, accelerator),
            model=self._model(model, context, stack.engine) if model else None,
            gpu=gpu or {},
            engine_url=engine_url,
        )

    def _around(self, stack: Stack, machine: Machine, accelerator: Accelerator) -> ComposeSpec:
        """Return what follows from settings, machine and Docker."""
        settings = self.settings
        plain = self.plain_settings()
        return ComposeSpec(
            stack=_as_built(stack, settings),
            gateway_image=self.gateway_image,
            settings=plain,
            project=settings.project_name,
            prefix=self.prefix,
            secrets=self._secrets(),
            accelerator=accelerator,
            arch=architecture(self.docker.arch if self.docker else machine.arch),
            compute_capability=_capability(machine),
            user=container_user(self.docker),
            may_be_root=bool(self.docker and self.docker.is_rootless),
            monitoring=settings.enable_monitoring,
            gpu_exporter=accelerator == "cuda" and settings.enable_gpu_monitoring is not False,
            nginx=settings.enable_nginx,
            ssl=settings.enable_ssl,
            digests=self.digests,
            has_start_interval=self._has_start_interval,
            host_paths=frozenset(str(plain[name]) for name in _PATHS if plain.get(name)),
        )

    @property
    def _has_start_interval(self) -> bool:
        return self.docker is None or version_of(self.docker.engine) >= _KNOWS_START_INTERVAL

    def plain_settings(self) -> dict[str, object]:
        """Return every setting but secrets, and the stack's variables; paths absolute."""
        values = {name: getattr(self.settings, name) for name in Settings.model_fields}
        plain = {name.upper(): value for name, value in values.items() if name not in _SECRETS}
        paths = {name: self._absolute(str(plain[name])) for name in _PATHS if plain[name]}
        return {**plain, **paths, **self.variables}

    def _absolute(self, path: str) -> str:
        return str(self.workspace.root / Path(path).expanduser())

    def _model(self, model: Model, context: int, engine: str) -> ModelSpec:
        family, _, tag = model.name.partition(":")
        is_file = model.path != Path()
        context = context or self.settings.max_context_length
        catalog = self.workspace.catalog
        return ModelSpec(
            name=model.name,
            blob=os.path.relpath(model.path, self.workspace.root) if is_file else "",
            size_bytes=model.size_bytes,
            context=context,
            aliases=(family,) if tag else (),
            details=read_details(model, context=context, engine=engine, catalog=catalog)
            if is_file
            else None,
        )

    def _secrets(self) -> dict[str, str]:
        """Map each kind of secret that this workspace has to its file."""
        settings = self.settings
        given = {
            "api-key": settings.api_key,
            "hf-token": settings.hf_token,
            "grafana-admin-password": settings.grafana_admin_password,
            "alert-webhook-url": settings.alert_webhook_url,
            "alert-deadman-url": settings.alert_deadman_url,
        }
        files = {
            kind: self.secrets.keep(kind, value.get_secret_value())
            for kind, value in given.items()
            if value
        }
        for kind in ("admin-key", "metrics-key"):
            files[kind] = self.secrets.generated(kind)
        kind = "grafana-admin-password"
        if settings.enable_monitoring and settings.grafana_port and kind not in files:
            files[kind] = self.secrets.generated(kind)
        return {kind: path.name for kind, path in {**files, **self._certificate()}.items()}

    def _certificate(self) -> dict[str, Path]:
        if not self.settings.enable_ssl:
            return {}
        from frontier.adapters import certificates

        chain, key = self.settings.ssl_cert_path, self.settings.ssl_key_path
        folder = self.workspace.secrets / "tls"
        hosts = dict.fromkeys(("localhost", "127.0.0.1", "::1", socket.gethostname()))
        pair: certificates.Certificate | None
        if chain or key:
            pair = certificates.own_certificate(chain, key)
        elif self.secrets.is_preview:
            pair = certificates.present(folder, [*hosts])
        else:
            pair = certificates.self_signed(folder, [*hosts])
        kinds = ("tls-certificate", "tls-key")
        if pair is None:
            return {kind: self.secrets.planned(kind) for kind in kinds}
        # under names of their own: whoever was started with an older one is started again
        return {kind: self.secrets.keep(kind, pem) for kind, pem in zip(kinds, pair, strict=True)}


def _as_built(stack: Stack, settings: Settings) -> Stack:
    """Return *stack*, without metrics where its mistral.rs is the one that Frontier built.

    That is 0.8, the newest on crates.io; metrics came with 0.9.
    """
    is_ours = settings.mistral_image.startswith("frontier-mistral:")
    return replace(stack, metrics_path="") if stack.engine == "mistral" and is_ours else stack


def architecture(name: str) -> Literal["amd64", "arm64"]:
    """Return what images call the processor that kernels call *name*.

    Raises:
        ConfigError: no image is made for it.
    """
    if name not in _ARCHITECTURES:
        raise ConfigError(
            f"there are no images for the processor {name!r}",
            hint="frontier config set RUNTIME native",
        )
    return _ARCHITECTURES[name]


def container_user(docker: DockerFacts | None) -> str:
    """Return ``uid:gid`` for containers: this user's, so that both can read the same files.

    Under a rootless daemon this user is root inside containers. Root itself gets a number that
    nobody has.
    """
    if docker and docker.is_rootless:
        return "0:0"
    return f"{os.getuid()}:{os.getgid()}" if os.getuid() else f"{UID}:{UID}"


def _capability(machine: Machine) -> str:
    """Return the compute capability of the first NVIDIA GPU, "" without one."""
    found = [g.compute_capability for g in machine.gpus if g.vendor == "nvidia"]
    return found[0] if found else ""

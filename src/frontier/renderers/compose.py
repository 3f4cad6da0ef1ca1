"""A stack as containers: one Compose document and the files beside it; pure."""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple

from frontier.domain.containers import LIVE, ROUTES, Containers, labelled
from frontier.domain.errors import ConfigError
from frontier.domain.project import Project, Route
from frontier.domain.stack import Fragment, Image
from frontier.domain.units import bytes_of
from frontier.renderers.compose_safety import check_safe, seconds
from frontier.renderers.compose_spec import ComposeSpec, ModelSpec
from frontier.renderers.compose_template import Macros, fill, parsed
from frontier.renderers.monitoring import Watch
from frontier.renderers.routes import routes_file
from frontier.renderers.targets import Target, engine_target, target, targets_file

__all__ = ["ComposeSpec", "ModelSpec", "render"]

COMPOSE: Final = "compose.yaml.j2"
GATEWAY: Final = "gateway"
GATEWAY_MEMORY: Final = "512m"
_PARTS = ("services", "networks", "volumes")


class _Part(NamedTuple):
    """One folder of templates: a fragment or the stack itself."""

    name: str
    origin: str
    texts: Mapping[str, str]
    images: Mapping[str, Image]


def render(
    spec: ComposeSpec, fragments: Mapping[str, Fragment], macros: Mapping[str, str]
) -> Project:
    """Return the project of containers for one workspace.

    Args:
        spec: What it depends on.
        fragments: What ``stacks/common`` holds.
        macros: Templates that others import, by file name.

    Raises:
        ConfigError: a template is wrong, a service is given twice or is not safe, there is no
            image for this machine; the message names file, service or variable.
    """
    _check_accelerator(spec)
    texts = tuple(sorted(macros.items()))
    document: dict[str, Any] = {"name": spec.project, **{key: {} for key in _PARTS}}
    files: dict[str, str] = {}
    own = _filled(_own(spec), texts, _values(spec))
    for filled in (*_shared(spec, fragments, texts), own):
        _merge(document, filled)
        files |= filled.files
    _require_engine(spec, own)
    routes = _routes(spec)
    return Project(
        name=spec.project,
        stack=spec.stack.name,
        containers=_containers(spec, document, {**files, **_live(spec, routes)}),
        routes=routes,
        address=str(spec.settings["BIND_ADDRESS"]),
        ports=tuple(dict.fromkeys(_ports(spec, "API_PORT", "GATEWAY_PORT"))),
    )


def _check_accelerator(spec: ComposeSpec) -> None:
    known = spec.stack.accelerators
    if known and spec.accelerator not in known:
        raise ConfigError(
            f"the stack {spec.stack.name!r} has no image for {spec.accelerator}",
            hint=f"It has them for {', '.join(known)}: frontier config set ACCELERATOR {known[0]}",
        )


def _require_engine(spec: ComposeSpec, own: "_Filled") -> None:
    """Refuse a template without the engine's service; only a missing model may leave it out."""
    stack = spec.stack
    services: Mapping[str, Any] = own.found.get("services") or {}
    if stack.engine in services or (spec.model is None and stack.model_format != "none"):
        return
    known = ", ".join(services) or "none"
    raise ConfigError(
        f"{stack.origin}/stack.yaml:{stack.engine_line}: engine: there is no service "
        f"{stack.engine!r} in {COMPOSE}",
        hint=f"Services there: {known}. Correct it, then: frontier stack render {stack.name}",
    )


def _own(spec: ComposeSpec) -> _Part:
    stack = spec.stack
    if COMPOSE not in stack.texts:
        raise ConfigError(
            f"{stack.origin}: there is no {COMPOSE}",
            hint=f"It can run natively only: frontier up {stack.name} --runtime native",
        )
    return _Part(stack.name, stack.origin, stack.texts, stack.images)


def _shared(
    spec: ComposeSpec, fragments: Mapping[str, Fragment], macros: Macros
) -> tuple["_Filled", ...]:
    """Return the fragments that *spec* asks for, filled."""
    wanted = ["base", GATEWAY]
    wanted += ["monitoring"] if spec.monitoring else []
    wanted += ["nginx"] if spec.nginx or spec.ssl else []
    values = tuple(_shared_values(spec).items())
    return tuple(_fragment(spec, fragments[name], macros, values) for name in wanted)


def _fragment(
    spec: ComposeSpec, fragment: Fragment, macros: Macros, values: tuple[tuple[str, object], ...]
) -> "_Filled":
    """Return one fragment, filled: the same for all stacks, so most often remembered."""
    part = _Part(fragment.name, fragment.origin, fragment.texts, fragment.images)
    images = tuple((service, _image(spec, part, service)) for service in sorted(part.images))
    texts = tuple(part.texts.items())
    return _remembered((part.name, part.origin), texts, images, macros, values)


@lru_cache(maxsize=64)
def _remembered(
    place: tuple[str, str],
    texts: tuple[tuple[str, str], ...],
    images: tuple[tuple[str, str], ...],
    macros: Macros,
    values: tuple[tuple[str, object], ...],
) -> "_Filled":
    part = _Part(*place, dict(texts), {})
    return _filled(part, macros, {**dict(values), "image": dict(images).__getitem__})


def _shared_values(spec: ComposeSpec) -> dict[str, object]:
    """Return what fragments may name: nothing of the stack, so that they do not change with it."""
    own = spec.stack.variables
    return {
        **{name: value for name, value in spec.settings.items() if name not in own},
        "project": spec.project,
        "user": spec.user,
        "workspace": spec.prefix,
        "secrets": tuple(sorted(spec.secrets)),
        "gateway_image": spec.gateway_image,
        "gpu_exporter": spec.gpu_exporter,
        "watch": _watch(spec),
        "gateway_memory": GATEWAY_MEMORY,
        "ssl": spec.ssl,
        "has_start_interval": spec.has_start_interval,
        "publish": publish,
    }


def _watch(spec: ComposeSpec) -> Watch:
    def file(kind: str) -> str:
        return f"/run/secrets/{kind}" if kind in spec.secrets else ""

    webhook, deadman = file("alert-webhook-url"), file("alert-deadman-url")
    return Watch(
        gateway="gateway:8080",
        gateway_key=file("metrics-key"),
        gateway_memory_bytes=bytes_of(GATEWAY_MEMORY),
        targets="/live/targets.json",
        machine="node-exporter:9100",
        prometheus="127.0.0.1:9090",
        alertmanager="alertmanager:9093" if webhook or deadman else "",
        webhook=webhook,
        deadman=deadman,
        tls=spec.ssl,
    )


def _values(spec: ComposeSpec) -> dict[str, object]:
    """Return what the stack's own templates may name."""
    return {
        **_shared_values(spec),
        **spec.settings,
        "stack": spec.stack,
        "model": spec.model,
        "accelerator": spec.accelerator,
        "arch": spec.arch,
        "gpu_keys": spec.gpu,
        "start_period": f"{spec.start_budget_s:.0f}s",
        "image": partial(_image, spec, _own(spec)),
    }


def publish(address: str, port: int, inside: int) -> list[str]:
    """Return the entries of ``ports`` for TCP *port* of *address*; 0 publishes nothing."""
    if not port:
        return []
    addresses = {"localhost": ["127.0.0.1"], "::": ["0.0.0.0", "[::]"]}.get(address)  # noqa: S104
    if addresses is None:
        addresses = [f"[{address}]" if ":" in address else address]
    return [f"{each}:{port}:{inside}" for each in addresses]


def _image(spec: ComposeSpec, part: _Part, service: str) -> str:
    if service not in part.images:
        raise ConfigError(f"{part.origin}: images: there is none for {service!r}")
    image = part.images[service]
    chosen = str(spec.settings.get(image.setting) or "")
    reference = chosen or image.reference(spec.accelerator, spec.arch, spec.compute_capability)
    digest = spec.digests.get(reference, "")
    return f"{reference}@{digest}" if digest and "@" not in reference else reference


class _Filled(NamedTuple):
    """A part with its templates filled; its services are not to be changed."""

    name: str
    found: Mapping[str, Any]
    files: Mapping[str, str]


def _filled(part: _Part, macros: Macros, values: Mapping[str, object]) -> _Filled:
    name = f"{part.origin}/{COMPOSE}"
    found = parsed(name, fill(name, part.texts[COMPOSE], macros, values))
    return _Filled(name, found, _files(part, macros, values))


def _merge(document: dict[str, Any], part: _Filled) -> None:
    for key, content in part.found.items():
        if key not in _PARTS:
            raise ConfigError(f"{part.name}: {key}: is not allowed; known: {', '.join(_PARTS)}")
        if twice := sorted(document[key].keys() & (content or {}).keys()):
            raise ConfigError(
                f"{part.name}: {key}: {twice[0]!r} is given by a shared fragment as well"
            )
        document[key] = {**document[key], **(content or {})}


def _files(part: _Part, macros: Macros, values: Mapping[str, object]) -> dict[str, str]:
    """Return ``config/<part>/...`` and ``live/...``, filled; what gives nothing is left out."""
    files: dict[str, str] = {}
    for path, text in part.texts.items():
        if path != COMPOSE:
            own = f"config/{part.name}/{path.removeprefix('config/')}"
            name = path if path.startswith(f"{LIVE}/") else own
            is_template = path.endswith(".j2")
            filled = fill(f"{part.origin}/{path}", text, macros, values) if is_template else text
            if filled.strip():
                files[name.removesuffix(".j2")] = filled
    return files


def _containers(
    spec: ComposeSpec, document: dict[str, Any], files: Mapping[str, str]
) -> Containers:
    services: dict[str, Any] = dict(document["services"])
    if spec.engine_url:
        services.pop(spec.stack.engine, None)
    complete = {
        key: value
        for key, value in {
            **document,
            "services": services,
            "secrets": _secrets(spec, services),
        }.items()
        if value or key == "services"
    }
    check_safe(
        complete,
        where=f"stack {spec.stack.name!r}",
        prefix=spec.prefix,
        allowed=spec.host_paths,
        may_be_root=spec.may_be_root,
    )
    _check_memory(spec, services)
    model = spec.model
    return labelled(
        Containers(
            document=complete,
            files=files,
            secrets={f"secrets/{kind}": spec.secrets[kind] for kind in complete.get("secrets", {})},
            links={f"models/{model.file}": model.blob} if model and model.blob else {},
            start_timeout_s={
                name: seconds(service["healthcheck"]["start_period"])
                for name, service in services.items()
                if "start_period" in service.get("healthcheck", {})
            },
        )
    )


def _secrets(spec: ComposeSpec, services: Mapping[str, Any]) -> dict[str, Any]:
    used = {(str(kind), name) for name, s in services.items() for kind in s.get("secrets", ())}
    for kind, name in sorted(used):
        if kind not in spec.secrets:
            raise ConfigError(
                f"stack {spec.stack.name!r}: service {name!r}: secrets: there is no {kind!r}",
                hint=f"Known: {', '.join(sorted(spec.secrets)) or 'none'}.",
            )
    return {kind: {"file": f"./secrets/{kind}"} for kind in sorted({kind for kind, _ in used})}


def _check_memory(spec: ComposeSpec, services: Mapping[str, Any]) -> None:
    engine = services.get(spec.stack.engine, {})
    if spec.settings.get("MEMORY_LIMIT") and engine and not engine.get("mem_limit"):
        raise ConfigError(
            f"stack {spec.stack.name!r}: service {spec.stack.engine!r}: mem_limit: "
            "MEMORY_LIMIT is set, and the template does not use it",
            hint="Write `{{ limits() | indent(4) }}` in the service.",
        )


def _routes(spec: ComposeSpec) -> tuple[Route, ...]:
    stack, model = spec.stack, spec.model
    if model is None:
        return ()
    return (
        Route(
            model=model.name,
            service=stack.engine,
            backend=stack.backend,
            aliases=model.aliases,
            upstream_model=stack.upstream_model,
            url=spec.listens,
            context=model.context,
            details=model.details,
        ),
    )


def _ports(spec: ComposeSpec, *names: str) -> Iterable[int]:
    found = (spec.settings[name] for name in names)
    return (port for port in found if isinstance(port, int) and port)


def _live(spec: ComposeSpec, routes: tuple[Route, ...]) -> dict[str, str]:
    """Return what running services reload by themselves: routes, and what Prometheus scrapes."""
    files = {ROUTES: routes_file(routes)}
    if spec.monitoring:
        files[f"{LIVE}/prometheus/targets.json"] = targets_file(_targets(spec, routes))
    return files


def _targets(spec: ComposeSpec, routes: tuple[Route, ...]) -> Iterator[Target]:
    stack, address = spec.stack, spec.listens.partition("://")[2]
    if stack.metrics_path:
        yield from (engine_target(address, stack.metrics_path, r, stack.name) for r in routes)
    if spec.gpu_exporter:
        yield target("gpu", "dcgm-exporter:9400")

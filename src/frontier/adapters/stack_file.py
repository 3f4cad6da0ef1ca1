"""``stack.yaml`` and ``fragment.yaml``, schema 1: checked strictly, every mistake with its line."""

from typing import Annotated, Any, Final, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from frontier.adapters.yaml_lines import YamlFile
from frontier.domain.stack import Fragment, Image, Stack, Variable

Arch = Literal["amd64", "arm64"]
_Model = TypeVar("_Model", bound=BaseModel)
_ACCELERATORS: Final = ("cpu", "cuda", "rocm")
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "text": (str,),
    "integer": (int,),
    "number": (int, float),
    "switch": (bool,),
}

Text = Annotated[str, Field(min_length=1, strict=True)]
ServiceName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", strict=True)]
SettingName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$", strict=True)]
UrlPath = Annotated[str, Field(pattern=r"^/\S*$", strict=True)]
Reference = Annotated[
    str,
    Field(
        pattern=r"^\S+(:[\w{][\w.{}-]*|@sha256:[0-9a-f]{64})$",
        strict=True,
        description="Image, pinned by tag or digest; {sm} stands for the compute capability.",
    ),
]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ImageFile(_Strict):
    """One image of a service."""

    image: Reference
    architectures: list[Arch] = Field(
        default=["amd64", "arm64"], min_length=1, description="Machines that it exists for."
    )
    capabilities: dict[Arch, list[Annotated[str, Field(pattern=r"^\d+\.\d$", strict=True)]]] = (
        Field(default={}, description="Compute capabilities it was built for, by architecture.")
    )


class ServiceImages(_Strict):
    """The images of one service, by what they compute on."""

    setting: SettingName | None = Field(None, description="Setting that replaces the image.")
    cpu: ImageFile | None = Field(None, description="What runs everywhere stands here, too.")
    cuda: ImageFile | None = None
    rocm: ImageFile | None = None


class VariableFile(_Strict):
    """A setting of this stack."""

    type: Literal["text", "integer", "number", "switch"] = "text"
    default: str | int | float | bool = ""
    help: Text


class FragmentFile(_Strict):
    """``stacks/common/<name>/fragment.yaml``: services that every stack shares."""

    schema_: Literal[1] = Field(alias="schema")
    title: Text = "fragment"
    images: dict[ServiceName, ServiceImages] = {}


class StackFile(_Strict):
    """``stacks/<name>/stack.yaml``: what a stack is, beside its services in compose.yaml.j2."""

    schema_: Literal[1] = Field(alias="schema", description="Version of this format.")
    title: Text | None = Field(None, description="For people; the folder's name if left out.")
    summary: Text | None = Field(None, description="One sentence for `frontier stack list`.")
    engine: ServiceName = Field(description="Service of compose.yaml.j2 that computes tokens.")
    backend: Literal["vllm", "llamacpp", "mistral", "ollama", "openai"] = Field(
        "openai", description="The engine's kind for the gateway; `openai` is any that speaks it."
    )
    port: int = Field(8000, ge=1, le=65535, strict=True, description="Where the engine listens.")
    health: UrlPath = Field("/health", description="Answers 200 when the engine works.")
    metrics: UrlPath | None = Field(None, description="The engine's Prometheus metrics.")
    model: Literal["gguf", "hub", "ollama", "none"] = Field(
        "gguf", description="How the engine gets its model: a file of the store, by itself, none."
    )
    model_setting: SettingName | None = Field(
        None, description="Setting or variable that names a model instead of DEFAULT_MODEL."
    )
    upstream_model: Text | None = Field(
        None, description="What the engine calls the one model it serves, if not as we do."
    )
    provides: list[Text] = Field(default=[], description="Capabilities, such as openai-api.")
    needs: list[Text] = Field(default=[], description="What the machine must have.")
    runtimes: list[Literal["native", "docker"]] = Field(
        default=["native"], description="Where it can run, preferred first."
    )
    start_timeout: float = Field(
        60, gt=0, description="Seconds that the engine may take beside loading the model."
    )
    images: dict[ServiceName, ServiceImages] = Field(
        default={}, description="Images by service and accelerator."
    )
    variables: dict[SettingName, VariableFile] = Field(
        default={}, description="Settings of this stack, valid in .env under their own names."
    )


def read_stack(file: YamlFile, name: str, texts: dict[str, str]) -> Stack:
    """Return the stack that *file* describes.

    Raises:
        ConfigError: a wrong or unknown key; the message names file and line.
    """
    raw = _checked(file, StackFile)
    variables = {key: _variable(file, key, value) for key, value in raw.variables.items()}
    return Stack(
        name=name,
        title=raw.title or name,
        summary=raw.summary or "",
        engine=raw.engine,
        backend=raw.backend,
        port=raw.port,
        health_path=raw.health,
        metrics_path=raw.metrics or "",
        model_format=raw.model,
        model_setting=raw.model_setting or "",
        upstream_model=raw.upstream_model or "",
        provides=tuple(raw.provides),
        needs=tuple(raw.needs),
        runtimes=tuple(raw.runtimes),
        start_timeout_s=raw.start_timeout,
        images=_images(file, raw.images),
        variables=variables,
        texts=texts,
        origin=str(file.path.parent),
        engine_line=file.line(("engine",)),
    )


def read_fragment(file: YamlFile, name: str, texts: dict[str, str]) -> Fragment:
    """Return the fragment that *file* describes.

    Raises:
        ConfigError: a wrong or unknown key; the message names file and line.
    """
    raw = _checked(file, FragmentFile)
    return Fragment(
        name=name, images=_images(file, raw.images), texts=texts, origin=str(file.path.parent)
    )


def json_schema() -> dict[str, Any]:
    """Return the published JSON schema of ``stack.yaml``."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Frontier stack.yaml, schema 1",
    }
    return {**StackFile.model_json_schema(), **head}


def _checked(file: YamlFile, model: type[_Model]) -> _Model:
    content = cast("dict[str, Any]", file.content) if isinstance(file.content, dict) else {}
    if "schema" not in content:
        raise file.error((), "wants `schema: 1` at the top")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = tuple(step for step in first["loc"] if step not in _TYPE_NAMES)
        if first["type"] == "extra_forbidden":
            raise file.unknown_key(place, _known_keys(model, place)) from error
        reason = "is missing" if first["type"] == "missing" else first["msg"]
        raise file.error(place, f"{reason}{_given(first)}") from error


_TYPE_NAMES: Final = frozenset({"[key]", "str", "int", "float", "bool"})
"""What pydantic puts into a place beside the keys of the file."""


def _given(error: Any) -> str:
    value = error["input"]
    return "" if isinstance(value, dict | list) else f", not {value!r}"


def _known_keys(model: type[BaseModel], place: tuple[str | int, ...]) -> list[str]:
    """Return the keys that may stand where the last step of *place* stands."""
    match place:
        case ("variables", _, _):
            model = VariableFile
        case ("images", _, _):
            model = ServiceImages
        case ("images", _, _, _):
            model = ImageFile
        case _:
            pass
    return [field.alias or name for name, field in model.model_fields.items()]


def _variable(file: YamlFile, name: str, raw: VariableFile) -> Variable:
    default = raw.default
    is_switch = isinstance(default, bool)
    if not isinstance(default, _TYPES[raw.type]) or is_switch != (raw.type == "switch"):
        place = ("variables", name, "default")
        raise file.error(place, f"{default!r} is no {raw.type}")
    return Variable(name=name, kind=raw.type, default=default, help=raw.help)


def _images(file: YamlFile, raw: dict[str, ServiceImages]) -> dict[str, Image]:
    return {service: _image(file, service, images) for service, images in raw.items()}


def _image(file: YamlFile, service: str, raw: ServiceImages) -> Image:
    kinds = {kind: image for kind in _ACCELERATORS if (image := getattr(raw, kind)) is not None}
    if not kinds:
        raise file.error(("images", service), f"wants one of {', '.join(_ACCELERATORS)}")
    return Image(
        references={kind: image.image for kind, image in kinds.items()},
        architectures={kind: tuple(image.architectures) for kind, image in kinds.items()},
        capabilities={
            kind: {arch: tuple(built) for arch, built in image.capabilities.items()}
            for kind, image in kinds.items()
            if image.capabilities
        },
        setting=raw.setting or "",
    )

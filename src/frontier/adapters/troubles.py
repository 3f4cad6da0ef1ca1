"""The packaged list of known troubles: data in YAML, checked when it is read."""

from importlib.resources import files
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from frontier.domain.trouble import Trouble

Line = Annotated[str, Field(min_length=3, pattern=r"^[^\n]+$")]
Speaker = Literal["frontier", "docker", "engine", "hub", "client", "system"]


class _Entry(BaseModel):
    """One entry of the file; what is unknown or missing is an error of ours."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]+$")]
    title: Line
    says: Annotated[dict[Speaker, Annotated[list[Line], Field(min_length=1)]], Field(min_length=1)]
    why: Line
    do: Annotated[list[Line], Field(min_length=1)]


_ENTRIES: Final = TypeAdapter(list[_Entry])


def load() -> tuple[Trouble, ...]:
    """Return all known troubles, in the file's order."""
    import yaml

    text = files("frontier").joinpath("troubles/troubles.yaml").read_text("utf-8")
    raw = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 both are safe
    return tuple(
        Trouble(
            id=entry.id,
            title=entry.title,
            says={speaker: tuple(texts) for speaker, texts in entry.says.items()},
            why=entry.why,
            do=tuple(entry.do),
        )
        for entry in _ENTRIES.validate_python(raw)
    )

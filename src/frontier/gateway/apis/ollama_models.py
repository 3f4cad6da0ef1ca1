"""What Ollama's clients are told of a model."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from frontier.gateway.apis.ollama_body import Json
from frontier.gateway.names import display

if TYPE_CHECKING:
    from frontier.gateway.details import Details
    from frontier.gateway.routes import Target

_BILLION: Final = 1_000_000_000
_MILLION: Final = 1_000_000
# Clients take a far day for "for ever", as Ollama says it.
_FAR: Final = timedelta(days=365 * 100)
_FOREVER: Final = float("inf")


def listed(target: "Target", since: float) -> Json:
    """Return *target* as `/api/tags` lists it.

    Args:
        target: The model.
        since: Seconds since 1970; its age where nobody knows better.
    """
    known, name = target.details, display(target.name)
    return {
        "name": name,
        "model": name,
        "modified_at": known.modified_at or _time(since),
        "size": known.size_bytes,
        "digest": digest(target),
        "details": details(known),
        "capabilities": capabilities(target),
    }


def loaded(target: "Target", until: float, context: int) -> Json:
    """Return *target* as `/api/ps` lists it.

    Args:
        target: The model.
        until: Seconds since 1970, infinite if it stays.
        context: Tokens.
    """
    known, name = target.details, display(target.name)
    expires = _time(until) if until != _FOREVER else _stamp(datetime.now(UTC) + _FAR)
    return {
        "name": name,
        "model": name,
        "size": known.size_bytes,
        "digest": digest(target),
        "details": details(known),
        "expires_at": expires,
        "size_vram": 0,
        "context_length": context,
    }


def shown(target: "Target", since: float, context: int) -> Json:
    """Return *target* as `/api/show` tells of it; *since* and *context* as above."""
    known = target.details
    family = known.family or "unknown"
    info: Json = {
        "general.architecture": family,
        "general.basename": display(target.name).partition(":")[0],
        "general.parameter_count": known.parameters,
        f"{family}.context_length": context,
    }
    if known.embedding_length:
        info[f"{family}.embedding_length"] = known.embedding_length
    template = _template(target)
    return {
        "license": known.licence,
        "modelfile": f"# Served by Frontier\nFROM {display(target.name)}\n",
        "parameters": f"num_ctx                        {context}" if context else "",
        "template": template,
        "system": "",
        "details": details(known),
        "messages": [],
        "model_info": info,
        "capabilities": capabilities(target),
        "modified_at": known.modified_at or _time(since),
    }


def details(known: "Details") -> Json:
    """Return the fields that strict clients miss when they are absent or null."""
    found: Json = {
        "parent_model": "",
        "format": known.format,
        "family": known.family,
        "families": [known.family] if known.family else [],
        "parameter_size": _size(known.parameters),
        "quantization_level": known.quantisation,
    }
    return found


def capabilities(target: "Target") -> list[str]:
    """Return what the model can do; where nobody knows, that it completes text."""
    known = target.details.capabilities
    return ["completion"] if known is None else list(known)


def digest(target: "Target") -> str:
    """Return 64 hex digits: the model's, or some that stay the same."""
    return target.details.digest or hashlib.sha256(target.name.encode()).hexdigest()


def _template(target: "Target") -> str:
    """Return a template that shows abilities where clients look for them.

    The engine applies the model's own; litellm looks for `tools` in this text, Continue for
    `.Suffix`.
    """
    can = target.details.capabilities
    parts = ["{{ if .System }}{{ .System }}\n{{ end }}"]
    if can is None or "tools" in can:
        parts.append("{{ if .Tools }}{{ .Tools }} tools\n{{ end }}")
    if can is not None and "insert" in can:
        parts.append("{{ if .Suffix }}{{ .Prompt }}{{ .Suffix }}{{ else }}")
    parts.append("{{ .Prompt }}")
    if can is not None and "insert" in can:
        parts.append("{{ end }}")
    return "".join(parts)


def _size(parameters: int) -> str:
    if parameters >= _BILLION:
        return f"{parameters / _BILLION:.1f}B"
    return f"{parameters / _MILLION:.2f}M" if parameters else ""


def _time(seconds: float) -> str:
    return _stamp(datetime.fromtimestamp(seconds, UTC))


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"

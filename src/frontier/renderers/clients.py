"""The lines that people paste into their clients."""

from collections.abc import Mapping

from jinja2 import DictLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment


def render(
    templates: Mapping[str, str], *, url: str, model: str, needs_key: bool
) -> dict[str, str]:
    """Return one line per client, by client name.

    Args:
        templates: Template text by file name, ``openai.j2``.
        url: The gateway, without ``/v1``.
        model: The name to ask for.
        needs_key: Whether the client must send a key, taken from the variable API_KEY.
    """
    environment = SandboxedEnvironment(
        loader=DictLoader(dict(templates)),
        undefined=StrictUndefined,
        autoescape=False,  # shell and Python lines, not HTML
    )
    values = {"url": url, "model": model, "needs_key": needs_key}
    return {
        name.removesuffix(".j2"): environment.get_template(name).render(values).strip()
        for name in sorted(templates)
    }

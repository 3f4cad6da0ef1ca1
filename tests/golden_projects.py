"""Every stack, accelerator, architecture and kind of front that has a golden file.

``make golden`` runs this and writes them all, with the JSON schemas; review them like code.
"""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from compose_specs import folders, shared, shipped, spec
from frontier.adapters import bench_files, catalog_file
from frontier.adapters.stack_file import json_schema
from frontier.adapters.troubles import load as load_troubles
from frontier.domain.project import Project
from frontier.renderers import troubles
from frontier.renderers.compose import render
from frontier.renderers.compose_spec import ComposeSpec
from frontier.renderers.compose_text import to_yaml

FOLDER: Final = Path(__file__).parent / "golden" / "compose"
TROUBLES: Final = Path(__file__).parents[1] / "docs" / "how-to" / "troubleshooting.md"
SCHEMA: Final = Path(__file__).parents[1] / "docs" / "reference" / "stack.schema.json"
CATALOG_SCHEMA: Final = SCHEMA.with_name("catalog.schema.json")
BENCH_SCHEMA: Final = SCHEMA.with_name("bench.schema.json")
DASHBOARDS: Final = "live/grafana/"
FRONTS: Final[dict[str, dict[str, Any]]] = {
    "plain": {},
    "monitoring": {"monitoring": True},
    "nginx": {"nginx": True},
    "tls": {"ssl": True, "monitoring": True},
}
ROCM: Final = {"devices": ["/dev/kfd", "/dev/dri"], "group_add": ["44", "992"]}


def specs() -> Iterator[tuple[str, ComposeSpec]]:
    """Yield the path of each golden file, relative to `FOLDER`, and what it is rendered from."""
    for name in folders().names():
        image = shipped(name).images[shipped(name).engine]
        for accelerator, architectures in image.architectures.items():
            gpu = {"gpu": ROCM} if accelerator == "rocm" else {}
            for arch in architectures:
                for front, flags in FRONTS.items():
                    path = f"{name}/{accelerator}-{arch}-{front}.yaml"
                    yield path, spec(name, accelerator=accelerator, arch=arch, **flags, **gpu)


def golden_text(project: Project) -> str:
    """Return ``compose.yaml`` and, as comments behind it, the files beside it."""
    containers = project.containers
    assert containers is not None
    parts = [to_yaml(containers)]
    for path, text in sorted(containers.files.items()):
        rows = (f"# {row}".rstrip() + "\n" for row in _shown(path, text).splitlines())
        parts += [f"\n# --- {path}\n", *rows]
    kept = {**containers.secrets, **containers.links}
    parts += [f"\n# --- {path} <- {source}\n" for path, source in sorted(kept.items())]
    return "".join(parts)


def _shown(path: str, text: str) -> str:
    """Return *text*, short where something else judges it: `make dashboards`, promtool."""
    return "as shipped" if path.startswith(DASHBOARDS) or "/rules/" in path else text


def main() -> int:
    """Write all golden files."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    found = dict(specs())
    for path, of in found.items():
        (FOLDER / path).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / path).write_text(golden_text(render(of, *shared())))
    TROUBLES.write_text(troubles.page(load_troubles()))
    SCHEMA.write_text(json.dumps(json_schema(), indent=2) + "\n")
    CATALOG_SCHEMA.write_text(json.dumps(catalog_file.json_schema(), indent=2) + "\n")
    BENCH_SCHEMA.write_text(json.dumps(bench_files.json_schema(), indent=2) + "\n")
    sys.stdout.write(f"{len(found)} golden files\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

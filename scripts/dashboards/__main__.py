"""Write every dashboard, and remove those that are no more."""

import sys
from pathlib import Path

from dashboards import FOLDER, texts


def main() -> int:
    """Write the files below the repository that this script lies in."""
    folder = Path(__file__).parents[2] / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    found = texts()
    for path in folder.glob("*.json"):
        if path.name not in found:
            path.unlink()
    for name, text in found.items():
        (folder / name).write_text(text, encoding="utf-8")
    sys.stdout.write(f"{len(found)} dashboards in {folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

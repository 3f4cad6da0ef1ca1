"""A crate of the name of mistral.rs that compiles in a second, and where cargo finds it."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from frontier.domain.build import MISTRAL

_MAIN = """
fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words == ["--version"] { println!("mistralrs %(says)s"); return; }
    let features = [FEATURES];
    let build: Vec<String> = features.iter()
        .map(|(name, on)| format!("\\"{}\\": {}", name.replace("-", "_"), on)).collect();
    println!("{{\\"system\\": {{\\"build\\": {{ {} }} }}, \\"checks\\": [{{
        \\"name\\": \\"binary_hardware_match\\", \\"status\\": \\"ok\\", \\"message\\": \\"\\"
    }}] }}", build.join(", "));
}
""".replace("FEATURES", ", ".join(f'("{n}", cfg!(feature = "{n}"))' for n in MISTRAL.features))


def cargo() -> str:
    """Where cargo is; in CI its absence is a failure."""
    found = shutil.which("cargo") or shutil.which("cargo", path=str(Path.home() / ".cargo/bin"))
    if found is None:
        reason = "needs cargo: https://rustup.rs"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@dataclass
class TinyCrate:
    """The crate, and the environment in which cargo takes it for the one on crates.io."""

    folder: Path

    def __post_init__(self) -> None:
        self.crate = self.folder / "vendor" / MISTRAL.crate
        self.home = self.folder / "cargo-home"
        (self.crate / "src").mkdir(parents=True)
        self.home.mkdir()
        (self.home / "config.toml").write_text(
            '[source.crates-io]\nreplace-with = "here"\n'
            f'[source.here]\ndirectory = "{self.folder / "vendor"}"\n'
        )
        (self.crate / ".cargo-checksum.json").write_text(json.dumps({"files": {}}))
        (self.crate / "Cargo.lock").write_text(
            f'version = 3\n[[package]]\nname = "{MISTRAL.crate}"\nversion = "{MISTRAL.version}"\n'
        )
        features = "".join(f"{name} = []\n" for name in MISTRAL.features)
        (self.crate / "Cargo.toml").write_text(
            f'[package]\nname = "{MISTRAL.crate}"\nversion = "{MISTRAL.version}"\n'
            f'edition = "2021"\nrust-version = "{MISTRAL.rust}"\n'
            f'[[bin]]\nname = "{MISTRAL.binary}"\npath = "src/main.rs"\n[features]\n{features}'
        )
        self.main()

    @property
    def env(self) -> dict[str, str]:
        home = Path(os.environ.get("RUSTUP_HOME", Path.home() / ".rustup"))
        return {"CARGO_HOME": str(self.home), "RUSTUP_HOME": str(home)}

    @property
    def environ(self) -> dict[str, str]:
        return {**os.environ, **self.env}

    def main(self, *, says: str = MISTRAL.version, source: str = _MAIN) -> None:
        """Replace the program."""
        (self.crate / "src/main.rs").write_text(source.replace("%(says)s", says))

    def build_script(self, body: str) -> None:
        """Have cargo run *body*, Rust statements, before it compiles the program."""
        (self.crate / "build.rs").write_text(f"fn main() {{ {body} }}")

    def wait_for(self, gate: Path) -> None:
        """Have the build wait until *gate* exists; ``<gate>.pid`` tells who waits."""
        self.build_script(
            f'std::fs::write("{gate}.pid", std::process::id().to_string()).unwrap(); '
            f'while !std::path::Path::new("{gate}").exists() '
            "{ std::thread::sleep(std::time::Duration::from_millis(20)); }"
        )

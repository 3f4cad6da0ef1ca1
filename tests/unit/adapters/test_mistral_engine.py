from pathlib import Path

import pytest

from frontier.adapters import mistral_engine
from frontier.adapters.mistral_engine import describe, find_mistral, require_mistral
from frontier.domain.binary import Binary, Report
from frontier.domain.errors import RuntimeFailedError


def binary(kind: str, key: str = "k") -> Binary:
    features = () if kind == "cpu" else (kind,)
    return Binary(
        path=Path(f"/b/{kind}"), report=Report(version="0.8.1", features=features), key=key
    )


class Builds:
    def __init__(self, *kinds: str) -> None:
        self.kept = {kind: binary(kind) for kind in kinds}

    @property
    def accelerators(self) -> tuple[str, ...]:
        return tuple(self.kept)

    def newest(self, accelerator: str) -> Binary | None:
        return self.kept.get(accelerator)


def find(
    monkeypatch: pytest.MonkeyPatch, builds: Builds, on_path: Binary | None, wanted: str = "cpu"
) -> Binary | None:
    monkeypatch.setattr(mistral_engine, "find_on_path", lambda _path: on_path)
    return find_mistral(builds, wanted)  # type: ignore[arg-type]


def test_what_was_built_here_comes_before_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find(monkeypatch, Builds("cpu"), binary("cpu", key="")) == binary("cpu")


def test_the_one_that_suits_the_hardware_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    on_path = binary("cuda", key="")

    assert find(monkeypatch, Builds("cpu"), on_path, "cuda") == on_path
    assert find(monkeypatch, Builds("cpu", "cuda"), on_path, "cuda") == binary("cuda")


def test_any_is_better_than_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find(monkeypatch, Builds("cpu"), None, "cuda") == binary("cpu")
    assert find(monkeypatch, Builds(), binary("cuda", key="")) == binary("cuda", key="")
    assert find(monkeypatch, Builds(), None) is None


def test_a_broken_program_on_the_path_matters_only_where_it_is_the_only_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(_path: str | None) -> Binary:
        raise RuntimeFailedError("does not run")

    monkeypatch.setattr(mistral_engine, "find_on_path", broken)

    assert find_mistral(Builds("cpu"), "cuda") == binary("cpu")  # type: ignore[arg-type]
    with pytest.raises(RuntimeFailedError, match="does not run"):
        find_mistral(Builds(), "cuda")  # type: ignore[arg-type]


def test_what_is_missing_is_an_error_with_the_command_that_builds_it() -> None:
    with pytest.raises(RuntimeFailedError, match="is not on this machine") as caught:
        require_mistral(None, "cpu")
    assert caught.value.hint == "frontier stack build mistral --accelerator cpu"

    with pytest.raises(RuntimeFailedError, match="made for cpu, not for metal") as caught:
        require_mistral(binary("cpu"), "metal")
    assert caught.value.hint == "frontier stack build mistral --accelerator metal"


def test_every_build_computes_on_the_processor() -> None:
    assert require_mistral(binary("cuda"), "cpu") == binary("cuda")
    assert require_mistral(binary("cuda"), "cuda") == binary("cuda")


def test_people_are_told_which_one_it_is() -> None:
    assert describe(binary("cpu")) == "mistral.rs 0.8.1 for cpu, built here"
    assert describe(binary("cuda", key="")) == "mistral.rs 0.8.1 for cuda, at /b/cuda"

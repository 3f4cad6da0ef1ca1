import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from frontier.domain.errors import ConfigError
from frontier.gateway.durations import seconds
from frontier.gateway.route_table import build, load_sources
from frontier.gateway.routes import Address, Limits, Table, Timeouts

ONE = """
version: 1
models:
  - name: one
    aliases: [uno, eins]
    backend: llamacpp
    backend_url: http://127.0.0.1:4000
    timeouts: {idle: 5s, total: 90}
"""


def load_table(paths: Sequence[Path]) -> Table:
    return build(load_sources(paths))


def load(tmp_path: Path, *texts: str) -> Table:
    paths = [tmp_path / f"{i}.yaml" for i in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return load_table(paths)


def test_missing_and_empty_files_have_no_models(tmp_path: Path) -> None:
    assert load(tmp_path, "", "\n# only a comment\n").targets == ()
    assert load_table([tmp_path / "nowhere" / "x.yaml"]).targets == ()


def test_a_model_is_found_by_its_name_and_its_aliases(tmp_path: Path) -> None:
    table = load(tmp_path, ONE)

    assert set(table.routes) == {"one", "uno", "eins"}
    assert {route.target.name for route in table.routes.values()} == {"one"}
    target = table.targets[0]
    assert target.address == Address("127.0.0.1", 4000)
    assert target.timeouts == Timeouts(idle=5.0, total=90.0)


def test_only_engines_that_read_the_name_get_it_replaced(tmp_path: Path) -> None:
    vllm = "  - {name: two, aliases: [zwei], backend: vllm, upstream_model: two-7b}\n"
    routes = load(tmp_path, ONE + vllm).routes

    assert {name: route.each[0].splice for name, route in routes.items()} == {
        "one": False,
        "uno": False,
        "eins": False,
        "two": True,
        "zwei": True,
    }


def test_a_later_file_wins_and_takes_the_old_aliases_away(tmp_path: Path) -> None:
    later = "version: 1\nmodels: [{name: one, aliases: [ein], backend: ollama}]"

    table = load(tmp_path, ONE, later)

    assert set(table.routes) == {"one", "ein"}
    assert table.targets[0].backend == "ollama"


def test_a_later_alias_takes_over_an_earlier_name(tmp_path: Path) -> None:
    later = "version: 1\nmodels: [{name: new, aliases: [one, uno], backend: llamacpp}]"

    table = load(tmp_path, ONE, later)

    assert [t.name for t in table.targets] == ["new"]
    assert table.routes["one"].target.name == "new"
    assert table.routes["eins"].target.name == "one"


def test_the_default_address_is_that_of_the_first_entry_in_an_earlier_file(tmp_path: Path) -> None:
    same_file = ONE + "  - {name: two, backend: llamacpp}\n"
    later = "version: 1\nmodels: [{name: three, backend: llamacpp}, {name: four, backend: vllm}]"

    addresses = {t.name: t.address for t in load(tmp_path, same_file, later).targets}

    assert addresses["three"] == Address("127.0.0.1", 4000)
    assert addresses["two"] is None, "its own file does not count"
    assert addresses["four"] is None


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://vllm-1:8000", Address("vllm-1", 8000)),
        ("http://vllm-1:8000/", Address("vllm-1", 8000)),
        ("http://vllm-1:8000/v1", Address("vllm-1", 8000)),
        ("http://host/engine/v1/", Address("host", 80, "/engine")),
        ("http://[::1]:8000", Address("::1", 8000)),
    ],
)
def test_addresses(tmp_path: Path, url: str, address: Address) -> None:
    text = f"version: 1\nmodels: [{{name: m, backend: vllm, backend_url: '{url}'}}]"

    table = load(tmp_path, text)

    assert table.targets[0].address == address
    head = table.routes["m"].each[0].head("/v1/embeddings").decode()
    assert head.startswith(f"POST {address.prefix}/v1/embeddings HTTP/1.1\r\nhost: ")
    assert f"host: {address.authority}\r\n" in head


@pytest.mark.parametrize(
    ("text", "line", "complaint"),
    [
        ("version: 1\nmodels:\n  - [", 4, "not YAML"),
        ("version: 1\nmodels:\n\t- x", 3, "not YAML"),
        ("models: []", 1, "missing required field `version`"),
        ("version: 2\nmodels: []", 1, "version: "),
        ("- version: 1", 1, "Expected `object`"),
        ("just text", 1, "Expected `object`"),
        ("version: 1\nmodels: 5", 2, "models: Expected `array`"),
        ("version: 1\nmodells: []", 2, "modells: unknown field"),
        ("version: 1\nmodels:\n- name: a", 3, "models[0]: Object missing required field `backend`"),
        ("version: 1\nmodels:\n- name: a\n  backend: gpt", 4, "models[0].backend: "),
        ("version: 1\nmodels:\n- name: 5\n  backend: vllm", 3, "models[0].name: Expected `str`"),
        ("version: 1\nmodels:\n- name: ''\n  backend: vllm", 3, "models[0].name: "),
        (ONE + "    x: 1\n", 9, "models[0].x: unknown field"),
        (ONE + "  - name: one\n    backend: vllm", 9, "models[1].name: 'one' is given twice"),
        (ONE + "  - name: b\n    backend: vllm\n    aliases: [uno]", 11, "models[1].aliases[0]: "),
        (ONE.replace("5s", "soon"), 8, "models[0].timeouts.idle: 'soon' is not a duration"),
        (ONE.replace("5s", "[1]"), 8, "models[0].timeouts.idle: Expected"),
        (ONE.replace("idle", "idel"), 8, "models[0].timeouts.idel: unknown field"),
        (ONE.replace("http://", "https://"), 7, "models[0].backend_url: "),
        (ONE.replace("http://127.0.0.1:4000", "127.0.0.1:4000"), 7, "models[0].backend_url: "),
        (ONE.replace(":4000", ":40000000"), 7, "models[0].backend_url: "),
        (ONE.replace(":4000", ":4000/a b"), 7, "models[0].backend_url: "),
        (ONE.replace("127", "u:p@127"), 7, "models[0].backend_url: "),
        ("a: &a [*a]", 1, ""),
        ("[" * 100_000 + "]" * 100_000, 1, "nested too deeply"),
    ],
    ids=lambda value: repr(value)[-30:],
)
def test_complaints_name_file_line_and_field(
    tmp_path: Path, text: str, line: int, complaint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)

    where = f"{tmp_path / '0.yaml'}:{line}: " if line else f"{tmp_path / '0.yaml'}: "
    assert caught.value.message.startswith(where)
    assert complaint in caught.value.message
    assert caught.value.exit_code == 1


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(ConfigError, match="cannot be read"):
        load_table([path])
    with pytest.raises(ConfigError, match="cannot be read"):
        load_table([tmp_path])


@pytest.mark.parametrize(
    ("value", "expected"),
    [("5s", 5), ("500ms", 0.5), ("2m", 120), ("1h", 3600), ("1.5 s", 1.5), (7, 7), (0.5, 0.5)],
)
def test_durations(value: str | float, expected: float) -> None:
    assert seconds(value) == expected


@pytest.mark.parametrize("value", ["", "-5s", "0s", "s", "5 days", "1e3s", 0, -1, "nan"])
def test_what_is_no_duration(value: str | float) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        seconds(value)


# Holding


def held(tmp_path: Path, *texts: str) -> dict[str, float | None]:
    """Return how long requests for each model wait, None if they do not."""
    targets = load(tmp_path, *texts).targets
    assert not [t for t in targets if t.is_held and t.address], "nothing is sent while it is held"
    return {t.name: t.timeouts.hold if t.is_held else None for t in targets}


GENERATED = """
version: 1
models:
  - name: one
    backend: llamacpp
    backend_url: http://127.0.0.1:4000
    hold: true
    timeouts: {hold: 300s}
  - {name: two, backend: vllm, backend_url: "http://127.0.0.1:5000"}
"""


def test_a_held_model_waits_with_or_without_an_address(tmp_path: Path) -> None:
    text = "version: 1\nmodels: [{name: m, backend: vllm, hold: true}]"

    assert held(tmp_path, GENERATED) == {"one": 300, "two": None}
    assert held(tmp_path, text) == {"m": 120}


def test_a_users_entry_waits_with_the_engine_that_it_inherits(tmp_path: Path) -> None:
    users = """
version: 1
models:
  - {name: one, aliases: [uno], backend: llamacpp, timeouts: {first_token: 7s}}
  - {name: short, backend: llamacpp, timeouts: {hold: 9s}}
  - {name: same-address, backend: openai, backend_url: "http://127.0.0.1:4000/v1"}
  - {name: elsewhere, backend: llamacpp, backend_url: "http://127.0.0.1:4001"}
  - {name: other, backend: vllm}
"""

    assert held(tmp_path, GENERATED, users) == {
        "one": 300,
        "short": 9,
        "same-address": 300,
        "elsewhere": None,
        "two": None,
        "other": None,
    }
    table = load(tmp_path, GENERATED, users)
    assert table.routes["uno"].target.is_held
    assert table.routes["uno"].target.timeouts.first_token == 7


def test_a_users_entry_inherits_the_address_again_after_the_switch(tmp_path: Path) -> None:
    users = "version: 1\nmodels: [{name: mine, aliases: [my], backend: llamacpp}]"
    after = GENERATED.replace("hold: true", "hold: false").replace(":4000", ":4999")

    table = load(tmp_path, after, users)

    assert table.routes["my"].target.address == Address("127.0.0.1", 4999)
    assert not table.routes["my"].target.is_held


def test_a_user_may_hold_a_model_of_their_own(tmp_path: Path) -> None:
    users = "version: 1\nmodels: [{name: two, backend: vllm, hold: true}]"

    assert held(tmp_path, GENERATED.replace("hold: true", ""), users) == {"one": None, "two": 120}


def test_a_table_knows_its_files_and_its_addresses(tmp_path: Path) -> None:
    table = load(tmp_path, GENERATED, "")

    assert table.addresses == {Address("127.0.0.1", 5000)}
    assert table.digests == {
        str(tmp_path / "0.yaml"): hashlib.sha256(GENERATED.encode()).hexdigest(),
        str(tmp_path / "1.yaml"): hashlib.sha256().hexdigest(),
    }


def test_hold_is_true_or_false(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"models\[0\].hold: Expected `bool`"):
        load(tmp_path, GENERATED.replace("hold: true", "hold: 5s"))


SEVERAL = """
version: 1
models:
  - name: one
    backend: vllm
    limits: {concurrency: 4, context: 8192}
    fallbacks: [two, nobody]
    backends:
      - {url: "http://127.0.0.1:4000", limits: {concurrency: 2}}
      - {name: canary, url: "http://127.0.0.1:4001", weight: 3, upstream_model: next}
  - {name: two, aliases: [zwei], backend: llamacpp, backend_url: "http://127.0.0.1:4002"}
"""


def test_several_engines_take_what_they_do_not_say_from_their_model(tmp_path: Path) -> None:
    routes = load(tmp_path, SEVERAL).routes["one"]

    first, second = (route.backend for route in routes.each)
    assert (first.name, first.weight, first.upstream_model) == ("vllm-1", 1, "one")
    assert (second.name, second.weight, second.upstream_model) == ("canary", 3, "next")
    assert first.limits == Limits(concurrency=2, queue=64, context=8192)
    assert second.limits == Limits(concurrency=4, queue=64, context=8192)
    assert [route.splice for route in routes.each] == [False, True]
    assert routes.each[1].mark == b"x-frontier-backend: canary\r\n"
    assert routes.plain is None


def test_a_fallback_answers_under_the_asked_name_and_an_unknown_one_is_passed_over(
    tmp_path: Path,
) -> None:
    routes = load(tmp_path, SEVERAL).routes

    (fallback,) = routes["one"].fallbacks
    assert fallback.target.name == "two"
    assert fallback.each[0].echo == b'"model":"one"'
    assert fallback.each[0].mark == b"x-frontier-model: two\r\n"
    assert routes["zwei"].plain is not None
    assert not routes["zwei"].fallbacks


def test_engines_at_an_address_that_is_being_replaced_take_nothing(tmp_path: Path) -> None:
    first = "version: 1\nmodels: [{name: x, backend: vllm, hold: true, backend_url: '%s'}]"

    some = load(tmp_path, first % "http://127.0.0.1:4000", SEVERAL).routes["one"].target
    other = load(tmp_path, first % "http://127.0.0.1:9", SEVERAL).routes["one"].target

    assert [backend.address is None for backend in some.backends] == [True, False]
    assert not some.is_held
    assert all(backend.address for backend in other.backends)


@pytest.mark.parametrize(
    ("entry", "field", "complaint"),
    [
        ("backend_url: http://h, backends: [{url: http://h}]", "backend_url", "not both"),
        ("backends: [{name: a}, {name: a}]", "backends[1].name", "'a' is given twice"),
        ("backends: [{weight: 0}]", "backends", "above zero"),
        ("backends: [{weight: -1}]", "backends[0].weight", ">= 0"),
        ("backends: [{url: ftp://h}]", "backends[0].url", "http://HOST:PORT"),
        ('backends: [{name: "a\\r\\nb"}]', "backends[0].name", "matching regex"),
        ("limits: {concurrency: 0}", "limits.concurrency", ">= 1"),
        ("limits: {queue: many}", "limits.queue", "Expected `int"),
        ("fallbacks: [m]", "fallbacks", "its own fallback"),
        ("balance: random", "balance", "Invalid enum value"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, entry: str, field: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"version: 1\nmodels:\n  - {{name: m, backend: vllm, {entry}}}\n")

    assert f"0.yaml:3: models[0].{field}: " in caught.value.message
    assert complaint in caught.value.message


def test_what_another_spelling_leads_to_is_made_once_and_fills_no_memory(tmp_path: Path) -> None:
    table = load(tmp_path, ONE.replace("eins", '"e*"'))

    first = table.find("ONE:latest")
    names = [f"e{i}" for i in range(5000)]
    found = [table.find(name) for name in names]
    long = table.find("e" * 600)

    assert first is not None
    assert table.find("ONE:latest") is first
    assert [r.each[0].asked for r in found if r is not None] == names
    assert long is None
    assert len(table.met) == 1000

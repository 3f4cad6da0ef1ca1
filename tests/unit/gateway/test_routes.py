from pathlib import Path

import pytest

from frontier.domain.errors import ConfigError
from frontier.gateway.durations import seconds
from frontier.gateway.routes import Address, Table, Timeouts, load_table

ONE = """
version: 1
models:
  - name: one
    aliases: [uno, eins]
    backend: llamacpp
    backend_url: http://127.0.0.1:4000
    timeouts: {idle: 5s, total: 90}
"""


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

    assert {name: route.splice for name, route in routes.items()} == {
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
    head = table.routes["m"].head("/v1/embeddings").decode()
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

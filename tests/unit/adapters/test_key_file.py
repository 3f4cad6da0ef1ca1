"""``keys.yaml``: strict, and every mistake told with its line."""

import contextlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontier.adapters.key_file import parse, render
from frontier.adapters.key_store import KeyStore
from frontier.domain.errors import ConfigError
from frontier.domain.keys import Budget, Key, budget, digest, is_id, new_id, new_secret, until

NOW = datetime(2026, 11, 21, 14, tzinfo=UTC)
PATH = Path("/w/config/keys.yaml")
KEY = Key(id="key_0123456789ab", name="alice", sha256="ab" * 32, created=NOW)
GOOD = f"""\
version: 1
keys:
  - id: key_0123456789ab
    name: alice
    sha256: {"ab" * 32}
    created: 2026-11-21T14:00:00Z
"""


def complaint(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(PATH, text.encode())
    return caught.value.message


def test_what_is_written_is_read_again() -> None:
    full = replace(
        KEY, id="key_ba9876543210", name="b@c", sha256="cd" * 32, models=("m", "a:b"), rpm=1, tpm=2,
        budget=Budget(3, "month"), expires=NOW, revoked=NOW,
    )  # fmt: skip

    assert parse(PATH, render([KEY, full]).encode()) == (KEY, full)
    assert parse(PATH, GOOD.encode()) == (KEY,)
    assert parse(PATH, b"# nothing\n") == ()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("version: 1", "version: 2"), ":1: version: "),
        (("name: alice", "nome: alice"), ":4: keys.0.nome: unknown field"),
        (("name: alice", "name: two words"), ":4: keys.0.name: 'two words'"),
        (("name: alice", "name: [a]"), ":4: keys.0.name: Expected `str`"),
        (("key_0123456789ab", "key_1"), ":3: keys.0.id: 'key_1'"),
        (("abab", "zz"), ":5: keys.0.sha256: "),
        (("14:00:00Z", "14:00:00Z\n    rpm: 0"), ":7: keys.0.rpm: "),
        (("14:00:00Z", "14:00:00Z\n    rpm: many"), ":7: keys.0.rpm: Expected `int"),
        (("14:00:00Z", "14:00:00Z\n    budget: {tokens: 1, per: hour}"), ":7: keys.0.budget.per"),
        (("14:00:00Z", "14:00:00Z\n    secret: sk-x"), ":7: keys.0.secret: unknown field"),
        (("2026-11-21T14:00:00Z", "yesterday"), ":6: keys.0.created: "),
        (("    name: alice\n", ""), ":3: keys.0: Object missing required field `name`"),
        (("version: 1", "version: ["), "keys.yaml:"),
        (("version: 1", "version: 1\nversion: 1"), ":2: 'version' is given twice"),
    ],
)
def test_a_mistake_is_told_with_line_and_field(change: tuple[str, str], says: str) -> None:
    assert says in complaint(GOOD.replace(*change, 1))


def test_a_name_in_use_an_id_and_a_secret_stand_there_once() -> None:
    twin = replace(KEY, id="key_ba9876543210", sha256="cd" * 32)

    assert ":10: keys.1.name: 'alice' is given twice" in complaint(render([KEY, twin]))
    assert "keys.1.id" in complaint(render([KEY, replace(twin, id=KEY.id, name="b")]))
    assert "keys.1.sha256" in complaint(render([KEY, replace(twin, sha256="ab" * 32, name="b")]))
    revoked = replace(KEY, revoked=NOW)
    assert len(parse(PATH, render([revoked, twin]).encode())) == 2


def test_deep_nesting_is_refused_and_not_fatal() -> None:
    assert "nested too deeply" in complaint("[" * 100_000)


@given(st.binary(max_size=200))
def test_no_bytes_are_more_than_a_complaint(data: bytes) -> None:
    with contextlib.suppress(ConfigError):
        parse(PATH, data)


def test_a_file_that_is_not_there_has_no_keys(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "config" / "keys.yaml")
    assert store.load() == ()
    assert not store.has_active()

    store.save([KEY])

    assert store.has_active()
    assert store.path.stat().st_mode & 0o777 == 0o600
    store.save([replace(KEY, expires=NOW)])
    assert not store.has_active()


def test_secrets_and_ids_are_new_each_time() -> None:
    assert len({new_secret() for _ in range(100)}) == len({new_id() for _ in range(100)}) == 100
    assert is_id(new_id())
    assert digest("x") == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"


def test_times_and_budgets_as_people_write_them() -> None:
    assert until("12h", NOW) == datetime(2026, 11, 22, 2, tzinfo=UTC)
    assert until("2027-01-31", NOW) == datetime(2027, 1, 31, tzinfo=UTC)
    assert until("2027-01-31T01:00+01:00", NOW) == datetime(2027, 1, 31, tzinfo=UTC)
    assert budget("1.5m / month") == Budget(1_500_000, "month")

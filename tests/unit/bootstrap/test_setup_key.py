"""The key that the wizard makes, and takes back where nothing came of it."""

from pathlib import Path

import pytest

from frontier.bootstrap.services import Services
from frontier.bootstrap.setup import SettingUp

MINE = """\
# my own words
version: 1
keys: []
"""


@pytest.fixture
def setting_up(tmp_path: Path) -> SettingUp:
    return SettingUp(Services(chosen=tmp_path / "w"))


def names(setting_up: SettingUp) -> list[str]:
    return [key.name for key in setting_up.services.keys.load()]


def fail(setting_up: SettingUp, *meanwhile: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted(setting_up, *meanwhile)


def interrupted(setting_up: SettingUp, *meanwhile: str) -> None:
    with setting_up.key("alice") as secret:
        assert secret
        assert names(setting_up) == ["alice"]
        for name in meanwhile:
            with SettingUp(setting_up.services).key(name):
                pass
        raise KeyboardInterrupt


def test_a_file_that_was_not_there_is_not_there_again(setting_up: SettingUp) -> None:
    fail(setting_up)

    assert not setting_up.services.keys.path.exists()


def test_a_file_gets_its_words_back(setting_up: SettingUp) -> None:
    path = setting_up.services.keys.path
    path.parent.mkdir(parents=True)
    path.write_text(MINE)

    fail(setting_up)

    assert path.read_text() == MINE


def test_a_key_that_somebody_made_meanwhile_stays(setting_up: SettingUp) -> None:
    fail(setting_up, "bob")

    assert names(setting_up) == ["bob"]


def test_without_a_name_there_is_no_key(setting_up: SettingUp) -> None:
    with setting_up.key("") as secret:
        assert not secret

    assert not setting_up.services.keys.path.exists()

"""Which index is used: pip's and uv's variables and files."""

import sys
from pathlib import Path

import pytest

from frontier.adapters.package_index_config import PYPI, IndexConfig, read_index_config
from frontier.domain.errors import ConfigError

QUIET = {"XDG_CONFIG_DIRS": "/nonexistent"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home/.config/pip").mkdir(parents=True)
    (tmp_path / "home/.config/uv").mkdir(parents=True)
    return tmp_path / "home"


def read(home: Path, **environ: str) -> IndexConfig:
    # this machine's own /etc/pip.conf may be set up; what a test says always wins over it
    return read_index_config(QUIET | environ, home=home, prefix=home / "venv")


def test_without_any_setting_it_is_pypi(home: Path) -> None:
    config = read(home, PIP_CONFIG_FILE="/dev/null")

    assert config == IndexConfig(indexes=(PYPI,))


def test_pips_variables_are_read(home: Path) -> None:
    config = read(
        home,
        PIP_CONFIG_FILE="/dev/null",
        PIP_INDEX_URL="https://a/simple",
        PIP_EXTRA_INDEX_URL="https://b/simple  https://c/simple",
        PIP_FIND_LINKS="/wheels https://d/links.html",
        PIP_CERT="/ca.pem",
        PIP_TRUSTED_HOST="b c:8080",
    )

    assert config.indexes == ("https://a/simple", "https://b/simple", "https://c/simple")
    assert config.find_links == ("/wheels", "https://d/links.html")
    assert config.ca_file == "/ca.pem"
    assert config.trusted_hosts == ("b", "c:8080")
    assert not config.is_offline


def test_uvs_variables_are_read_and_win(home: Path) -> None:
    config = read(
        home,
        PIP_CONFIG_FILE="/dev/null",
        PIP_INDEX_URL="https://pip/simple",
        UV_DEFAULT_INDEX="corp=https://uv/simple",
        UV_INDEX="https://one/simple my-own=https://two/simple",
        UV_INDEX_MY_OWN_USERNAME="me@corp",
        UV_INDEX_MY_OWN_PASSWORD="p/w",
        UV_EXTRA_INDEX_URL="https://three/simple",
        UV_FIND_LINKS="/a,/b /c",
        UV_INSECURE_HOST="three",
    )

    assert config.indexes == (
        "https://uv/simple",
        "https://one/simple",
        "https://me%40corp:p%2Fw@two/simple",
        "https://three/simple",
    )
    assert config.find_links == ("/a", "/b", "/c")
    assert config.trusted_hosts == ("three",)


def test_a_certificate_that_pips_http_library_is_told_of_counts(home: Path) -> None:
    quiet = {"PIP_CONFIG_FILE": "/dev/null"}

    assert read(home, **quiet, CURL_CA_BUNDLE="/curl.pem").ca_file == "/curl.pem"
    assert read(home, **quiet, REQUESTS_CA_BUNDLE="/r", CURL_CA_BUNDLE="/c").ca_file == "/r"
    assert read(home, **quiet, PIP_CERT="/p", REQUESTS_CA_BUNDLE="/r").ca_file == "/p"


def test_an_address_may_hold_an_equals_sign(home: Path) -> None:
    config = read(home, UV_DEFAULT_INDEX="own=https://a/simple?x=1", UV_INDEX="https://b/?y=2")

    assert config.indexes[:2] == ("https://a/simple?x=1", "https://b/?y=2")


def test_an_old_uv_variable_is_still_read(home: Path) -> None:
    config = read(home, UV_INDEX_URL="https://uv/simple", PIP_INDEX_URL="https://pip/simple")

    assert config.indexes[0] == "https://uv/simple"


@pytest.mark.parametrize("name", ["PIP_NO_INDEX", "UV_NO_INDEX"])
def test_no_index_leaves_only_the_folders(home: Path, name: str) -> None:
    config = read(home, PIP_FIND_LINKS="/wheels", **{name: "1"})

    assert config.indexes == ()
    assert config.find_links == ("/wheels",)
    assert not config.is_offline


def test_offline_means_offline(home: Path) -> None:
    assert read(home, UV_OFFLINE="true").is_offline


def test_pips_files_are_read_the_nearest_last(home: Path, tmp_path: Path) -> None:
    user = home / ".config/pip/pip.conf"
    user.write_text(
        "[global]\nindex-url = https://user/simple\ncert = /user.pem\n"
        "find-links =\n    /one\n    /two\n[install]\nextra_index_url = https://extra/simple\n"
    )
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv/pip.conf").write_text("[global]\nindex-url = https://venv/simple\n")
    chosen = tmp_path / "chosen.conf"
    chosen.write_text("[global]\ncert = /chosen.pem\n[download]\nno-index = yes\n")

    plain = read(home, VIRTUAL_ENV=str(tmp_path / "venv"))
    with_file = read(home, PIP_CONFIG_FILE=str(chosen))

    assert plain.indexes == ("https://venv/simple", "https://extra/simple")
    assert plain.find_links == ("/one", "/two")
    assert plain.ca_file == "/user.pem"
    assert with_file.ca_file == "/chosen.pem"
    assert with_file.indexes == ()


def test_a_variable_wins_over_pips_files(home: Path) -> None:
    (home / ".config/pip/pip.conf").write_text(
        "[global]\nindex-url = https://user/simple\nno-index = true\nfind-links = /user\n"
    )

    config = read(home, PIP_INDEX_URL="https://env/simple", PIP_NO_INDEX="0", PIP_FIND_LINKS="/env")

    assert config.indexes == ("https://env/simple",)
    assert config.find_links == ("/env",)


def test_the_legacy_and_the_mac_place_are_known(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mac = home / "Library/Application Support/pip"
    mac.mkdir(parents=True)
    (mac / "pip.conf").write_text("[global]\nindex-url = https://mac/simple\n")
    (home / ".pip").mkdir()
    (home / ".pip/pip.conf").write_text("[global]\nindex-url = https://legacy/simple\n")

    assert read(home).indexes[0] == (
        "https://mac/simple" if sys.platform == "darwin" else "https://legacy/simple"
    )
    monkeypatch.setattr(sys, "platform", "darwin")
    assert read(home).indexes[0] == "https://mac/simple"


def test_uvs_file_is_read(home: Path) -> None:
    (home / ".config/uv/uv.toml").write_text(
        """
        find-links = ["/links"]
        offline = true
        allow-insecure-host = ["host"]
        [[index]]
        name = "corp"
        url = "https://corp/simple"
        default = true
        [[index]]
        name = "other"
        url = "https://other/simple"
        [[index]]
        name = "torch"
        url = "https://torch/simple"
        explicit = true
        """
    )

    config = read(
        home, PIP_CONFIG_FILE="/dev/null", UV_INDEX_CORP_USERNAME="u", UV_INDEX_CORP_PASSWORD="p"
    )
    ignored = read(home, PIP_CONFIG_FILE="/dev/null", UV_NO_CONFIG="1")

    assert config.indexes == ("https://u:p@corp/simple", "https://other/simple")
    assert config.find_links == ("/links",)
    assert config.is_offline
    assert config.trusted_hosts == ("host",)
    assert ignored.indexes == (PYPI,)


def test_uvs_older_keys_and_a_chosen_file_are_read(home: Path, tmp_path: Path) -> None:
    chosen = tmp_path / "uv.toml"
    chosen.write_text('index-url = "https://old/simple"\nextra-index-url = ["https://more/simple"]')

    config = read(home, PIP_CONFIG_FILE="/dev/null", UV_CONFIG_FILE=str(chosen))

    assert config.indexes == ("https://old/simple", "https://more/simple")


@pytest.mark.parametrize(
    ("file", "way_out"), [("pip/pip.conf", "PIP_CONFIG_FILE"), ("uv/uv.toml", "UV_NO_CONFIG")]
)
@pytest.mark.parametrize("content", [b"nonsense [", b"\xff\xfe"])
def test_a_broken_file_is_named_with_the_way_out(
    home: Path, file: str, way_out: str, content: bytes
) -> None:
    path = home / ".config" / file
    path.write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        read(home)

    assert str(path) in caught.value.message
    assert way_out in caught.value.hint

import ssl
import stat
from pathlib import Path

import pytest

from frontier.adapters.certificates import own_certificate, present, self_signed
from frontier.domain.errors import ConfigError, RuntimeFailedError

HOSTS = ("localhost", "127.0.0.1")


def test_a_self_signed_certificate_is_loaded_by_tls_and_names_every_host(tmp_path: Path) -> None:
    pair = self_signed(tmp_path, HOSTS)

    chain, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    context = ssl.create_default_context(cadata=pair.chain)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain, key)
    names = context.get_ca_certs()[0]["subjectAltName"]
    assert names == (("DNS", "localhost"), ("IP Address", "127.0.0.1"))
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_it_is_made_once_and_anew_for_other_hosts(tmp_path: Path) -> None:
    first = self_signed(tmp_path, HOSTS)

    again = self_signed(tmp_path, HOSTS)
    other = self_signed(tmp_path, ("example.org",))

    assert first == again
    assert other != first


def test_a_damaged_certificate_is_made_anew(tmp_path: Path) -> None:
    self_signed(tmp_path, HOSTS)
    (tmp_path / "tls.crt").write_text("no certificate")

    assert present(tmp_path, HOSTS) is None
    assert "BEGIN CERTIFICATE" in self_signed(tmp_path, HOSTS).chain


def test_a_good_one_is_there_without_being_made(tmp_path: Path) -> None:
    assert present(tmp_path / "tls", HOSTS) is None
    assert not (tmp_path / "tls").exists()

    assert self_signed(tmp_path / "tls", HOSTS) == present(tmp_path / "tls", HOSTS)


def test_the_users_own_certificate_is_taken_where_it_belongs_together(tmp_path: Path) -> None:
    given = self_signed(tmp_path, HOSTS)

    assert own_certificate(str(tmp_path / "tls.crt"), str(tmp_path / "tls.key")) == given


def test_a_certificate_of_another_key_is_refused(tmp_path: Path) -> None:
    for name in ("1", "2"):
        self_signed(tmp_path / name, HOSTS)

    with pytest.raises(ConfigError, match="is not the certificate of the key"):
        own_certificate(str(tmp_path / "1" / "tls.crt"), str(tmp_path / "2" / "tls.key"))


def test_half_a_certificate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="belong together"):
        own_certificate("chain.pem", "")


def test_a_missing_file_is_named_with_its_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^SSL_CERT_PATH: .*nowhere.pem"):
        own_certificate(str(tmp_path / "nowhere.pem"), "key.pem")


def test_what_is_no_certificate_is_told_in_openssls_words(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("nonsense")

    with pytest.raises(ConfigError) as caught:
        own_certificate(str(tmp_path / "c"), str(tmp_path / "c"))

    assert caught.value.message.startswith(str(tmp_path / "c"))
    assert "PEM" in caught.value.hint
    assert caught.value.details


def test_without_openssl_the_hint_says_how_to_give_a_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(RuntimeFailedError) as caught:
        self_signed(tmp_path, HOSTS)

    assert "SSL_CERT_PATH" in caught.value.hint

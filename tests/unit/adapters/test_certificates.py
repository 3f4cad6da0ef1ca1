import ssl
import stat
from pathlib import Path

import pytest

from frontier.adapters.certificates import own_certificate, self_signed
from frontier.domain.errors import ConfigError, RuntimeFailedError

HOSTS = ("localhost", "127.0.0.1")


def test_a_self_signed_certificate_is_loaded_by_tls_and_names_every_host(tmp_path: Path) -> None:
    pair = self_signed(tmp_path, HOSTS)

    context = ssl.create_default_context(cafile=str(pair.chain))
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pair.chain, pair.key)
    names = context.get_ca_certs()[0]["subjectAltName"]
    assert names == (("DNS", "localhost"), ("IP Address", "127.0.0.1"))
    assert stat.S_IMODE(pair.key.stat().st_mode) == 0o600


def test_it_is_made_once_and_anew_for_other_hosts(tmp_path: Path) -> None:
    first = self_signed(tmp_path, HOSTS).chain.read_text()

    again = self_signed(tmp_path, HOSTS).chain.read_text()
    other = self_signed(tmp_path, ("example.org",)).chain.read_text()

    assert first == again
    assert other != first


def test_a_damaged_certificate_is_made_anew(tmp_path: Path) -> None:
    self_signed(tmp_path, HOSTS).chain.write_text("no certificate")

    assert "BEGIN CERTIFICATE" in self_signed(tmp_path, HOSTS).chain.read_text()


def test_the_users_own_certificate_is_copied_for_the_owner_only(tmp_path: Path) -> None:
    given = self_signed(tmp_path / "given", HOSTS)

    pair = own_certificate(tmp_path / "used", str(given.chain), str(given.key))

    assert pair.chain.read_text() == given.chain.read_text()
    assert stat.S_IMODE(pair.key.stat().st_mode) == 0o600


def test_a_certificate_of_another_key_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    one, other = self_signed(tmp_path / "1", HOSTS), self_signed(tmp_path / "2", HOSTS)

    with pytest.raises(ConfigError, match="is not the certificate of the key"):
        own_certificate(tmp_path / "used", str(one.chain), str(other.key))

    assert not (tmp_path / "used").exists()


def test_half_a_certificate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="belong together"):
        own_certificate(tmp_path, "chain.pem", "")


def test_a_missing_file_is_named_with_its_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^SSL_CERT_PATH: .*nowhere.pem"):
        own_certificate(tmp_path, str(tmp_path / "nowhere.pem"), "key.pem")


def test_what_is_no_certificate_is_told_in_openssls_words(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("nonsense")

    with pytest.raises(ConfigError) as caught:
        own_certificate(tmp_path, str(tmp_path / "c"), str(tmp_path / "c"))

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

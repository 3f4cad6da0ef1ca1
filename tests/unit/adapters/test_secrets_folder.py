from pathlib import Path

from frontier.adapters.secrets_folder import secret_file


def test_a_secret_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = secret_file(tmp_path / "secrets", "api-key", "sesame")

    assert path.read_text() == "sesame"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_the_same_value_keeps_its_name_and_another_gets_another(tmp_path: Path) -> None:
    first = secret_file(tmp_path, "api-key", "sesame")

    assert secret_file(tmp_path, "api-key", "sesame") == first
    assert secret_file(tmp_path, "api-key", "other") != first

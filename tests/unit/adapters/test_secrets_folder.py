import os
from pathlib import Path

from frontier.adapters.secrets_folder import SecretsFolder


def test_a_secret_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = SecretsFolder(tmp_path / "secrets").keep("api-key", "sesame")

    assert path.read_text() == "sesame"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_the_same_value_keeps_its_name_and_another_gets_another(tmp_path: Path) -> None:
    first = SecretsFolder(tmp_path).keep("api-key", "sesame")

    assert SecretsFolder(tmp_path).keep("api-key", "sesame") == first
    assert SecretsFolder(tmp_path).keep("api-key", "other") != first


def test_old_values_go_and_those_that_a_rollback_may_need_stay(tmp_path: Path) -> None:
    files = [SecretsFolder(tmp_path).keep("api-key", f"value {n}") for n in range(20)]
    for age_s, path in enumerate(reversed(files)):
        os.utime(path, (1e9 - age_s, 1e9 - age_s))
    other = SecretsFolder(tmp_path).keep("other", "x")

    SecretsFolder(tmp_path).keep("api-key", "value 0")
    files += [SecretsFolder(tmp_path).keep("api-key", f"value {n}") for n in range(20, 24)]

    assert [path for path in files if not path.exists()] == files[1:3]
    assert other.exists()


def test_a_generated_secret_is_random_once_and_for_the_owner_only(tmp_path: Path) -> None:
    first = SecretsFolder(tmp_path).generated("grafana")

    assert SecretsFolder(tmp_path).generated("grafana") == first
    assert first.read_text() != SecretsFolder(tmp_path / "other").generated("grafana").read_text()
    assert first.stat().st_mode & 0o777 == 0o600


def test_of_two_generated_secrets_the_newest_counts(tmp_path: Path) -> None:
    for name, time_s in (("grafana-b", 1e9), ("grafana-a", 2e9), ("grafana-c", 1.5e9)):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, (time_s, time_s))

    assert SecretsFolder(tmp_path).generated("grafana") == tmp_path / "grafana-a"


def test_a_preview_names_secrets_and_writes_none(tmp_path: Path) -> None:
    kept = SecretsFolder(tmp_path / "s").keep("api-key", "sesame")
    os.utime(kept, (1e9, 1e9))
    preview = SecretsFolder(tmp_path / "s", is_preview=True)

    names = [
        preview.keep("api-key", "sesame").name,
        preview.keep("api-key", "other").name,
        preview.generated("grafana").name,
    ]

    assert names == [kept.name, "api-key-new", "grafana-new"]
    assert [*kept.parent.iterdir()] == [kept]
    assert kept.stat().st_mtime == 1e9

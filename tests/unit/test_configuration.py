from pathlib import Path

import pytest

from frontier.configuration import Configuration
from frontier.domain.errors import ConfigError, NotFoundError
from frontier.domain.stack import Image, Stack, Variable


def configuration(
    tmp_path: Path, text: str = "", *, environ: dict[str, str] | None = None, **overrides: object
) -> Configuration:
    (tmp_path / ".env").write_text(text)
    return Configuration(tmp_path / ".env", overrides, environ or {})


def test_each_source_wins_over_the_next(tmp_path: Path) -> None:
    assert configuration(tmp_path).get("API_PORT").origin == "default"
    assert configuration(tmp_path, "API_PORT=1").load().api_port == 1

    from_env = configuration(tmp_path, "API_PORT=1", environ={"API_PORT": "2"})
    assert from_env.get("api_port").value == "2"
    assert from_env.get("api_port").origin == "environment"

    given = configuration(tmp_path, "API_PORT=1", environ={"API_PORT": "2"}, api_port=3)
    assert given.get("API_PORT").value == "3"
    assert given.get("API_PORT").origin == "command line"


def test_a_wrong_value_names_file_line_and_field(tmp_path: Path) -> None:
    wrong = configuration(tmp_path, "\n# port\nAPI_PORT=abc\n")

    with pytest.raises(ConfigError, match=r"\.env:3: API_PORT: Input should be a valid integer"):
        wrong.load()


def test_an_empty_value_sets_nothing(tmp_path: Path) -> None:
    config = configuration(tmp_path, "API_PORT=\nDEFAULT_TOP_K=''\n", environ={"API_PORT": ""})

    assert config.load().api_port == 11434
    assert config.get("API_PORT").origin == "default"


def test_of_several_lines_the_last_counts_and_is_the_one_named(tmp_path: Path) -> None:
    assert configuration(tmp_path, "API_PORT=1\nAPI_PORT=2\n").load().api_port == 2

    with pytest.raises(ConfigError, match=r"\.env:2: API_PORT"):
        configuration(tmp_path, "API_PORT=1\nAPI_PORT=x\n").load()


def test_a_value_is_taken_as_it_is_written(tmp_path: Path) -> None:
    key = configuration(tmp_path, "API_KEY='pa${USER}x'\n").load().api_key

    assert key
    assert key.get_secret_value() == "pa${USER}x"


@pytest.mark.parametrize("value", ["clé", "two words", "tab\tbed", "bad\udcff"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(
    tmp_path: Path, value: str
) -> None:
    with pytest.raises(ConfigError, match="printable ASCII without spaces") as loading:
        configuration(tmp_path, environ={"API_KEY": value}).load()
    with pytest.raises(ConfigError, match=r"^API_KEY: .*printable ASCII") as setting:
        configuration(tmp_path).set("API_KEY", value)

    assert value not in loading.value.message + setting.value.message


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("PROMETHEUS_RETENTION", "two weeks", "Write a duration such as 15s, 1m30s or 15d"),
        ("PROMETHEUS_RETENTION", "0d", "Write a duration"),
        ("PROMETHEUS_SCRAPE_INTERVAL", "15", "Write a duration"),
        ("PROMETHEUS_SCRAPE_INTERVAL", "500ms", "Write 1s to 1m"),
        ("PROMETHEUS_SCRAPE_INTERVAL", "5m", "alerts look at windows of 5 minutes"),
        ("ALERT_SLO", "99.9", "less than 1"),
        ("ALERT_COST_SPIKE", "1", "greater than 1"),
        ("ALERT_MEMORY_BYTES", "3.5GB", "integer"),
    ],
)
def test_what_prometheus_would_not_take_is_refused_by_name(
    name: str, value: str, wanted: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=rf"\.env:1: {name}: .*{wanted}"):
        configuration(tmp_path, f"{name}={value}").load()


@pytest.mark.parametrize("url", ["chat.example.org/hook", "http://a b", "ftp://x", "https:/x"])
def test_an_address_that_cannot_be_called_is_refused_and_not_shown(
    url: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="Write an address that begins with http") as caught:
        configuration(tmp_path, f"ALERT_WEBHOOK_URL='{url}'").load()

    assert url not in str(caught.value)


def test_a_wrong_value_elsewhere_does_not_stop_a_repair(tmp_path: Path) -> None:
    config = configuration(tmp_path, "API_PORT=x\n", environ={"CACHE_SIZE": "y"})

    assert config.written("API_PORT") == "x"
    config.set("API_PORT", "1")

    assert (tmp_path / ".env").read_text() == "API_PORT=1\n"


def test_a_runtime_of_the_environment_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"^environment: RUNTIME: .*'auto', 'native', 'docker' or 'hybrid'"
    ):
        configuration(tmp_path, environ={"RUNTIME": "nodejs"}).load()


def test_a_wrong_value_of_the_environment_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^environment: API_PORT"):
        configuration(tmp_path, environ={"API_PORT": "99999"}).load()


def test_an_unknown_variable_is_named_with_the_nearest_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.env:1: API_PRT: no such setting") as caught:
        configuration(tmp_path, "API_PRT=1").load()

    assert "API_PORT" in caught.value.hint


def test_a_value_is_checked_before_it_is_written(tmp_path: Path) -> None:
    config = configuration(tmp_path, "# mine\n")

    with pytest.raises(ConfigError, match="API_PORT=many"):
        config.set("api_port", "many")
    config.set("api_port", "12000")

    assert (tmp_path / ".env").read_text() == "# mine\nAPI_PORT=12000\n"


def test_an_unknown_name_is_not_found(tmp_path: Path) -> None:
    config = configuration(tmp_path)

    with pytest.raises(NotFoundError, match="'GRAFNA_PORT'") as caught:
        config.set("GRAFNA_PORT", "1")
    with pytest.raises(NotFoundError) as far:
        config.get("zzz")

    assert "GRAFANA_PORT" in caught.value.hint
    assert "config show" in far.value.hint


def test_unset_removes_even_what_is_no_setting(tmp_path: Path) -> None:
    config = configuration(tmp_path, "API_PRT=1\n")

    assert config.unset("API_PRT")

    assert config.load().api_port == 11434
    assert not config.unset("API_PORT")


def test_secrets_are_masked(tmp_path: Path) -> None:
    config = configuration(tmp_path, "API_KEY=sesame\n")

    assert config.get("API_KEY").value == "**********"
    assert config.check("API_KEY", "other") == "**********"
    assert config.written("API_KEY") == "**********"


def test_a_line_of_a_misspelt_name_may_be_a_secret(tmp_path: Path) -> None:
    assert configuration(tmp_path, "APIKEY=sesame\n").written("APIKEY") == "**********"


def test_what_the_file_says_is_told_apart_from_the_default(tmp_path: Path) -> None:
    config = configuration(tmp_path, "CACHE_SIZE=7\nAPI_KEY=\n", environ={"API_PORT": "2"})

    assert config.written("cache_size") == "7"
    assert config.written("API_KEY") == ""
    assert config.written("API_PORT") is None
    assert config.default("API_PORT") == "11434"
    with pytest.raises(NotFoundError, match="'NOSUCH'"):
        config.written("NOSUCH")


def test_what_has_no_effect_tells_why(tmp_path: Path) -> None:
    assert "revision" in configuration(tmp_path).get("MISTRAL_MODEL_REVISION").no_effect
    assert configuration(tmp_path).get("API_PORT").no_effect == ""


def test_values_are_shown_as_they_are_written(tmp_path: Path) -> None:
    config = configuration(tmp_path)

    assert config.get("ENABLE_CACHE").value == "true"
    assert config.get("DEFAULT_TOP_K").value == ""


VARIABLES = {
    "MINE_COUNT": Variable(name="MINE_COUNT", kind="integer", default=2, help="How many."),
    "API_PORT": Variable(name="API_PORT", kind="text", default="x", help="Taken."),
}


def with_variables(tmp_path: Path, text: str = "", **environ: str) -> Configuration:
    (tmp_path / ".env").write_text(text)
    return Configuration(tmp_path / ".env", {}, environ, lambda: VARIABLES)


def stack(**variables: Variable) -> Stack:
    return Stack(
        name="mine", title="Mine", engine="mine", variables=variables, origin="stacks/mine"
    )


def test_a_variable_of_a_stack_is_a_setting_like_others(tmp_path: Path) -> None:
    config = with_variables(tmp_path, "MINE_COUNT=3\n")

    assert config.load().api_port == 11434
    assert (config.get("mine_count").value, config.get("MINE_COUNT").origin) == ("3", ".env")
    assert config.written("MINE_COUNT") == "3"
    assert config.default("MINE_COUNT") == "2"
    assert config.note("MINE_COUNT") == ""
    assert "MINE_COUNT" in [setting.name for setting in config.describe()]
    config.set("MINE_COUNT", "4")
    assert (tmp_path / ".env").read_text() == "MINE_COUNT=4\n"


def test_a_variable_of_a_stack_is_read_from_environment_file_or_default(tmp_path: Path) -> None:
    mine = stack(MINE_COUNT=VARIABLES["MINE_COUNT"])

    assert with_variables(tmp_path).variables_of(mine) == {"MINE_COUNT": 2}
    assert with_variables(tmp_path, "MINE_COUNT=3").variables_of(mine) == {"MINE_COUNT": 3}
    both = with_variables(tmp_path, "MINE_COUNT=3", MINE_COUNT="4")
    assert both.variables_of(mine) == {"MINE_COUNT": 4}
    assert both.get("MINE_COUNT").origin == "environment"
    assert "unset it there" in both.note("MINE_COUNT")


def test_a_wrong_value_of_a_variable_names_where_it_stands(tmp_path: Path) -> None:
    mine = stack(MINE_COUNT=VARIABLES["MINE_COUNT"])

    with pytest.raises(ConfigError, match=r"\.env:2: MINE_COUNT: 'x' is not a whole number"):
        with_variables(tmp_path, "\nMINE_COUNT=x\n").variables_of(mine)
    with pytest.raises(ConfigError, match="environment: MINE_COUNT: 'x' is not"):
        with_variables(tmp_path, MINE_COUNT="x").variables_of(mine)
    with pytest.raises(ConfigError, match="MINE_COUNT: 'x' is not"):
        with_variables(tmp_path).check("MINE_COUNT", "x")


def test_a_variable_cannot_take_the_name_of_a_setting(tmp_path: Path) -> None:
    config = with_variables(tmp_path, "API_PORT=1\n")

    assert config.get("API_PORT").value == "1"
    with pytest.raises(ConfigError, match="stacks/mine: variables: API_PORT is a setting already"):
        config.variables_of(stack(API_PORT=VARIABLES["API_PORT"]))


def test_the_setting_of_a_stacks_image_is_a_variable(tmp_path: Path) -> None:
    images = {"mine": Image(references={"cpu": "mine:1"}, setting="MINE_IMAGE")}
    mine = Stack(name="mine", title="Mine", engine="mine", images=images)

    assert with_variables(tmp_path, MINE_IMAGE="m:2").variables_of(mine) == {"MINE_IMAGE": "m:2"}


def test_a_misspelled_variable_gets_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        with_variables(tmp_path, "MINE_COUNTS=1\n").load()

    assert caught.value.hint.startswith("Did you mean MINE_COUNT? Or remove it: ")
    assert "frontier config unset MINE_COUNTS" in caught.value.hint

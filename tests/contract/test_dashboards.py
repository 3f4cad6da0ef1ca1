"""Grafana's dashboards are what their code writes, load, and ask what Prometheus can answer."""

import json
import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from dashboards import FOLDER, texts
from dashboards.reading import Asked, asked, boards, filled, panels
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from compose_specs import containers, settings, shared, shipped, spec
from frontier.renderers.compose import render
from frontier.renderers.monitoring import Watch, files
from frontier.settings import Settings
from prometheus_real import run

ROOT = Path(__file__).parents[2]
BOARDS = boards(ROOT / FOLDER)
ASKED = [query for name, board in BOARDS.items() for query in asked(name, board)]
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
OWN = ("__rate_interval", "__range")  # Grafana's
every_board = pytest.mark.parametrize("name", BOARDS)
UNITS = {
    *("short", "none", "s", "bytes", "mbytes", "Bps", "reqps", "cps", "percent", "percentunit"),
    *("currencyUSD", "watt", "celsius", "suffix: tokens/s"),
}
PLUGINS = {"timeseries", "stat", "heatmap", "state-timeline", "bargauge", "table"}


def strings(value: Any) -> list[str]:
    """Every text in a piece of JSON, keys left out."""
    if isinstance(value, dict):
        return [text for inner in value.values() for text in strings(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in strings(inner)]
    return [value] if isinstance(value, str) else []


def nulls(value: Any, path: str = "") -> list[str]:
    """The places where a piece of JSON holds null."""
    if isinstance(value, dict):
        return [found for key, inner in value.items() for found in nulls(inner, f"{path}.{key}")]
    if isinstance(value, list):
        return [found for inner in value for found in nulls(inner, path)]
    return [path] if value is None else []


def own(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the panels of a dashboard that show data."""
    return [panel for _, panel in panels(board)]


def test_the_files_are_what_their_code_writes() -> None:
    written = {path.name: path.read_text() for path in (ROOT / FOLDER).glob("*.json")}

    assert written == texts(), "make dashboards"


def test_there_is_one_for_each_question() -> None:
    assert BOARDS.keys() == {
        *("requests", "latency", "engines", "cache", "costs", "system", "backends"),
    }


@every_board
def test_grafanas_own_models_read_a_dashboard_and_write_it_unchanged(name: str) -> None:
    register_default_plugins()

    again = json.dumps(Dashboard.from_json(BOARDS[name]), cls=JSONEncoder)

    assert json.loads(again) == BOARDS[name]


@every_board
def test_grafana_knows_a_dashboard_by_a_stable_uid_and_no_number(name: str) -> None:
    board = BOARDS[name]

    assert board["uid"] == f"frontier-{name}"
    assert "id" not in board
    assert "version" not in board
    assert board["schemaVersion"] == 41
    assert board["title"]
    assert board["description"].endswith(".")
    assert board["tags"] == ["frontier"]
    assert board["refresh"] == "30s"
    assert board["time"] == {"from": "now-1h", "to": "now"}


@every_board
def test_a_dashboard_links_to_the_others_for_the_same_time_and_choice(name: str) -> None:
    [link] = BOARDS[name]["links"]

    assert (link["type"], link["tags"]) == ("dashboards", ["frontier"])
    assert link["keepTime"]
    assert link["includeVars"]


def test_titles_tell_dashboards_apart() -> None:
    assert len({board["title"] for board in BOARDS.values()}) == len(BOARDS)


@every_board
def test_every_panel_says_what_it_shows_in_which_unit_and_what_it_means_to_be_empty(
    name: str,
) -> None:
    for panel in own(BOARDS[name]):
        defaults = panel["fieldConfig"]["defaults"]
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert defaults["unit"] in UNITS, panel["title"]
        assert defaults["noValue"], panel["title"]
        assert panel["type"] in PLUGINS


@every_board
def test_every_panel_has_a_number_of_its_own(name: str) -> None:
    rows = [panel for panel in BOARDS[name]["panels"] if panel["type"] == "row"]
    ids = [panel["id"] for panel in (*rows, *own(BOARDS[name]))]

    assert sorted(ids) == list(range(1, len(ids) + 1))


@every_board
def test_no_panel_covers_another_or_leaves_the_grid(name: str) -> None:
    rows = [panel for panel in BOARDS[name]["panels"] if panel["type"] == "row"]
    places = [(p["title"], p["gridPos"]) for p in (*rows, *own(BOARDS[name]))]

    for title, at in places:
        assert 0 <= at["x"] < at["x"] + at["w"] <= 24, title
        assert at["y"] >= 0, title
        assert at["h"] > 0, title
    for (one, a), (other, b) in combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        below = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or below, (one, other)


@every_board
def test_every_line_of_panels_is_as_wide_as_the_grid(name: str) -> None:
    widths: dict[tuple[str, int], int] = {}
    for heading, panel in panels(BOARDS[name]):
        at = (heading, panel["gridPos"]["y"])
        widths[at] = widths.get(at, 0) + panel["gridPos"]["w"]

    assert set(widths.values()) == {24}, widths


@every_board
def test_panels_of_a_folded_row_lie_in_it_and_others_beside_it(name: str) -> None:
    for panel in BOARDS[name]["panels"]:
        if panel["type"] == "row":
            assert panel["collapsed"] == bool(panel["panels"]), panel["title"]


@every_board
def test_data_comes_from_the_source_that_the_reader_chooses(name: str) -> None:
    sources = [panel["datasource"] for panel in own(BOARDS[name])]
    sources += [target["datasource"] for panel in own(BOARDS[name]) for target in panel["targets"]]
    chosen, *labels = BOARDS[name]["templating"]["list"]

    assert (chosen["name"], chosen["type"], chosen["query"]) == (
        *("datasource", "datasource", "prometheus"),
    )
    assert all(source == SOURCE for source in (*sources, *(v["datasource"] for v in labels)))


@every_board
def test_every_variable_is_used_and_every_used_one_is_there(name: str) -> None:
    board = BOARDS[name]
    declared = {variable["name"] for variable in board["templating"]["list"]}

    used = set(re.findall(r"\$\{?(\w+)", " ".join(strings(board["panels"]))))

    assert used - set(OWN) == declared


@every_board
def test_a_choice_of_labels_begins_with_all_of_them(name: str) -> None:
    for variable in BOARDS[name]["templating"]["list"][1:]:
        assert variable["includeAll"]
        assert variable["multi"]
        assert variable["allValue"] == ".*"
        assert variable["current"]["value"] == "$__all"
        asked_for = f"label_values(frontier_requests_total, {variable['name']})"
        assert variable["query"]["query"] == asked_for


@every_board
def test_null_stands_only_where_a_first_threshold_means_minus_infinity(name: str) -> None:
    assert {path.rpartition("defaults")[2] for path in nulls(BOARDS[name])} <= {
        ".thresholds.steps.value"
    }
    for panel in own(BOARDS[name]):
        steps = panel["fieldConfig"]["defaults"].get("thresholds", {"steps": []})["steps"]
        assert [s["value"] for s in steps[:1]] in ([], [None])
        later = [step["value"] for step in steps[1:]]
        assert later == sorted(later)


@every_board
def test_the_queries_of_a_panel_are_told_apart(name: str) -> None:
    for panel in own(BOARDS[name]):
        targets = panel["targets"]
        assert [t["refId"] for t in targets] == [chr(ord("A") + n) for n in range(len(targets))]
        assert all(bool(t.get("range")) != bool(t.get("instant")) for t in targets)
        if len(targets) > 1:
            assert len({t["legendFormat"] for t in targets} - {""}) == len(targets), panel["title"]


@pytest.mark.parametrize("query", ASKED, ids=str)
def test_an_expression_parses_names_no_machine_and_takes_its_window_from_grafana(
    query: Asked,
) -> None:
    promql_parser.parse(query.filled(rate_s=60, range_s=3600))

    assert not re.search(r'instance\s*=|:\d{4,5}"|\d+\.\d+\.\d+\.\d+', query.expr)
    windows = set(re.findall(r"\brate\([^\[]*\[([^\]]+)\]", query.expr))
    assert windows <= {"$__rate_interval", "$__range", "1h", "1d"}


def test_real_promtool_takes_all_expressions(tmp_path: Path) -> None:
    rules = [
        {"record": f"board:query{n}", "expr": query.filled(rate_s=60, range_s=3600)}
        for n, query in enumerate(ASKED)
    ]
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboards", "rules": rules}]}))

    done = run("promtool", "check", "rules", file)

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout


def test_promtool_would_refuse_a_wrong_expression(tmp_path: Path) -> None:
    file = tmp_path / "rules.yml"
    rules = [{"record": "a:b", "expr": filled("rat($model)", rate_s=60, range_s=60)}]
    file.write_text(json.dumps({"groups": [{"name": "wrong", "rules": rules}]}))

    assert run("promtool", "check", "rules", file).returncode == 1


def test_grafana_finds_the_files_and_keeps_them_as_they_are() -> None:
    rendered = containers(monitoring=True, PROMETHEUS_SCRAPE_INTERVAL="7s")
    mounts = dict(
        volume.removesuffix(":ro").split(":")[::-1]
        for volume in rendered.services["grafana"]["volumes"]
    )
    folder = mounts["/etc/grafana/provisioning/dashboards"].removeprefix("./")
    [provider] = yaml.safe_load(rendered.files[f"{folder}/frontier.yaml"])["providers"]
    here = mounts[provider["options"]["path"]].removeprefix("./")
    home = rendered.services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]

    assert (provider["type"], provider["folder"]) == ("file", "Frontier")
    assert provider["allowUiUpdates"] is False
    shown = {path: text for path, text in rendered.files.items() if path.startswith(f"{here}/")}
    assert shown == {f"{here}/{file}": text for file, text in texts().items()}
    assert f"{here}/{Path(home).name}" in shown


def test_a_grafana_of_ones_own_gets_them_beside_the_configuration_of_prometheus() -> None:
    fragments, macros = shared()
    watch = Watch(gateway="127.0.0.1:1", targets="targets.json")

    written = files(fragments["monitoring"], macros, watch, settings(shipped("llamacpp")))

    own = {path: text for path, text in written.items() if path.startswith("grafana/")}
    assert own == {f"grafana/{file}": text for file, text in texts().items()}


def test_grafana_knows_how_often_prometheus_scrapes() -> None:
    rendered = containers(monitoring=True, PROMETHEUS_SCRAPE_INTERVAL="7s")

    [text] = [text for path, text in rendered.files.items() if "/datasources/" in path]

    [source] = yaml.safe_load(text)["datasources"]
    assert source["uid"] == "prometheus"
    assert source["jsonData"]["timeInterval"] == "7s"


def test_another_dashboard_starts_no_container_again() -> None:
    def digests(changed: str) -> dict[str, str]:
        fragments, macros = shared()
        found = fragments["monitoring"]
        texts = {**found.texts, changed: found.texts[changed] + "\n"}
        others = {**fragments, "monitoring": replace(found, texts=texts)}
        rendered = render(spec(monitoring=True), others, macros).containers
        assert rendered is not None
        return rendered.digests

    now = containers(monitoring=True).digests

    assert digests("live/grafana/requests.json") == now
    assert digests("config/grafana/providers/frontier.yaml")["grafana"] != now["grafana"]


def test_alerts_and_settings_that_a_description_names_are_there() -> None:
    said = " ".join(panel["description"] for board in BOARDS.values() for panel in own(board))
    rules = "".join(path.read_text() for path in ROOT.glob("stacks/common/**/rules/*.yml.j2"))

    alerts = set(re.findall(r"\b[A-Z][a-z]+(?:[A-Z][A-Za-z]+)+\b", said)) - {"OpenAI"}
    named = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", said))

    assert {name for name in alerts if f"alert: {name}\n" not in rules} == set()
    assert named <= {name.upper() for name in Settings.model_fields}


def test_the_parts_of_an_answer_are_means_over_the_same_answers() -> None:
    parts = [query.expr for query in ASKED if query.panel["title"] == "Gateway and engine"]

    answers = {part.partition(" / ")[2] for part in parts}
    assert len(parts) == 2
    assert [re.findall(r"gen_ai_client_operation_duration_seconds_count", a) for a in answers] == [
        ["gen_ai_client_operation_duration_seconds_count"]
    ]


def test_failed_loads_are_shown_for_as_long_as_their_alert_looks_back() -> None:
    fragments, macros = shared()
    watch = Watch(gateway="127.0.0.1:1", targets="targets.json")
    rules = files(fragments["monitoring"], macros, watch, settings(shipped("llamacpp")))
    failures = r"frontier_model_load_failures_total.*\[(\d+)(s|m)\]"

    [looked] = re.findall(failures, rules["prometheus/rules/availability.yml"])
    shown = {m for q in ASKED for m in re.findall(failures, q.expr)}

    assert looked == ("1200", "s")
    assert shown == {("20", "m")}


def test_the_machines_network_is_not_that_of_the_container_that_measures_it() -> None:
    exporter = containers(monitoring=True).services["node-exporter"]
    [network] = [panel for panel in own(BOARDS["system"]) if panel["title"] == "Network"]

    assert "--no-collector.netdev" in exporter["command"]
    assert network["fieldConfig"]["defaults"]["noValue"] == "not known in Docker"

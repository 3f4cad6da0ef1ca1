import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontier.domain.project import Project, Service
from native_fakes import engine, gateway, project

services = st.builds(
    Service,
    name=st.text(),
    argv=st.lists(st.text()).map(tuple),
    env=st.dictionaries(st.text(), st.text()),
    port=st.integers(0, 65535),
    needs=st.lists(st.text()).map(tuple),
    metrics_path=st.text(),
    generation=st.integers(0),
)


@given(st.lists(services).map(tuple))
def test_a_project_survives_its_json(declared: tuple[Service, ...]) -> None:
    original = project(*declared)

    assert Project.from_json(original.to_json()) == original


def test_the_digest_follows_the_configuration_but_not_the_generation() -> None:
    assert replace(engine(), env={"A": "1"}).digest != engine().digest
    assert replace(engine(), generation=5).digest == engine().digest


def test_what_the_first_version_knew_is_what_it_was_as_long_as_nothing_new_is_set() -> None:
    plain = Service(name="gateway", argv=("a", "{port}"), env={"A": "1"})
    said = Project(name="p", stack="s", services=(plain,)).to_json()

    # what 8a9da21 computes
    assert plain.digest == "a31e8c9cbc721e734d646529b1bfd2e25bf42e1d2627ef81681888ecf8f75c87"
    assert "metrics_path" not in said
    assert "accelerator" not in said
    assert replace(plain, metrics_path="/metrics").digest != plain.digest


def test_what_a_later_version_wrote_is_not_read_as_if_it_were_known() -> None:
    raw = json.loads(project(engine()).to_json()) | {"later": 1}

    with pytest.raises(TypeError, match="later"):
        Project.from_json(json.dumps(raw))


def test_the_port_replaces_whole_arguments_and_no_part_of_a_path() -> None:
    service = Service(name="s", argv=("s", "--port", "{port}", "--model", "/w/{port}/m.gguf"))

    assert service.command(99) == ("s", "--port", "99", "--model", "/w/{port}/m.gguf")


def test_asking_for_a_restart_raises_one_generation() -> None:
    asked = project(engine(), gateway()).restarted("gateway").restarted("gateway")

    assert asked.generations == {"llamacpp": 0, "gateway": 2}
    assert asked.digests == project(engine(), gateway()).digests


def test_generations_of_services_that_are_gone_are_dropped() -> None:
    assert project(engine()).with_generations({"llamacpp": 3, "gone": 9}).generations == {
        "llamacpp": 3
    }

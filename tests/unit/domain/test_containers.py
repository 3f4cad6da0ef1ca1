from dataclasses import replace
from typing import Any

import pytest

from frontier.domain.containers import DIGEST_LABEL, ROUTES, Containers, labelled
from frontier.domain.project import Project, Route, Service

SERVICE: dict[str, Any] = {"image": "engine:1", "volumes": ["./models:/models:ro"]}
GATEWAY: dict[str, Any] = {
    "image": "gateway:1",
    "volumes": ["./live:/live:ro", "./config/gateway:/config:ro"],
    "secrets": ["api-key"],
    "labels": {"frontier.workspace": "/w"},
}
ALL = Containers(
    document={
        "name": "frontier",
        "services": {"engine": SERVICE, "gateway": GATEWAY},
        "secrets": {"api-key": {"file": "./secrets/api-key"}},
    },
    files={ROUTES: "models: []", "config/gateway/a.yaml": "a", "config/gateway2.yaml": "b"},
    secrets={"secrets/api-key": "api-key-1"},
    links={"models/m.gguf": "data/models/blobs/1"},
)


def changed(**fields: Any) -> set[str]:
    """Return the services whose digest another value of *fields* changes."""
    before, after = labelled(ALL).digests, labelled(replace(ALL, **fields)).digests
    return {name for name in before if before[name] != after[name]}


def test_every_service_carries_its_digest_beside_its_other_labels() -> None:
    labels = labelled(ALL).services["gateway"]["labels"]

    assert labels["frontier.workspace"] == "/w"
    assert labels[DIGEST_LABEL] == labelled(ALL).digests["gateway"]
    assert labelled(labelled(ALL)) == labelled(ALL)


@pytest.mark.parametrize(
    ("fields", "services"),
    [
        ({"files": {**ALL.files, "config/gateway/a.yaml": "other"}}, {"gateway"}),
        ({"files": {**ALL.files, "config/gateway2.yaml": "other"}}, set()),
        ({"files": {**ALL.files, ROUTES: "other"}}, set()),
        ({"secrets": {"secrets/api-key": "api-key-2"}}, {"gateway"}),
        ({"document": {**ALL.document, "name": "other"}}, {"engine", "gateway"}),
        ({"links": {"models/m.gguf": "data/models/blobs/2"}}, {"engine"}),
        (
            {
                "document": {
                    **ALL.document,
                    "services": {"engine": {"image": "2"}, "gateway": GATEWAY},
                }
            },
            {"engine"},
        ),
    ],
)
def test_a_change_concerns_the_services_that_mount_it(
    fields: dict[str, Any], services: set[str]
) -> None:
    assert changed(**fields) == services


def test_a_project_comes_back_from_its_file_and_knows_what_runs_it() -> None:
    engine = Service(name="llamacpp", argv=("llama-server",))
    docker = Project(
        name="frontier",
        stack="vllm",
        containers=labelled(ALL),
        routes=(Route(model="m", service="engine", backend="vllm", url="http://engine:8000"),),
        asked={"current_stack": "vllm"},
    )
    hybrid = replace(docker, services=(engine,))

    assert Project.from_json(docker.to_json()) == docker
    assert Project.from_json(hybrid.to_json()) == hybrid
    assert (docker.runtime, hybrid.runtime, hybrid.on_host.runtime) == (
        "docker",
        "hybrid",
        "native",
    )
    assert hybrid.digests.keys() == {"llamacpp", "engine", "gateway"}
    assert hybrid.on_host.digests.keys() == {"llamacpp"}

from fakes import containers, project
from frontier.renderers.hybrid import engine_url, join


def test_the_engine_is_on_the_host_and_the_gateway_in_a_container() -> None:
    joined = join(project(), containers("llamacpp"), 8123)

    assert [(s.name, s.port) for s in joined.services] == [("llamacpp", 8123)]
    assert joined.containers == containers("llamacpp").containers
    assert joined.runtime == "hybrid"


def test_containers_reach_the_engine_by_the_hosts_name() -> None:
    assert engine_url(8123) == "http://host.docker.internal:8123"

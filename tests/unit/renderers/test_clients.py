from frontier.adapters.folders import templates
from frontier.renderers import clients


def test_every_client_gets_one_line_with_url_and_model() -> None:
    lines = clients.render(
        templates("clients"), url="http://127.0.0.1:1", model="m:1", needs_key=False
    )

    assert sorted(lines) == ["aider", "curl", "openai"]
    assert all("http://127.0.0.1:1/v1" in line and "m:1" in line for line in lines.values())
    assert not any("\n" in line or 'API_KEY"' in line for line in lines.values())


def test_a_key_is_taken_from_the_environment_and_never_printed() -> None:
    lines = clients.render(templates("clients"), url="http://x", model="m", needs_key=True)

    assert all("API_KEY" in line for line in lines.values())

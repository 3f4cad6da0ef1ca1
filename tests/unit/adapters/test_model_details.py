"""What the gateway is told of a model, from a real file to the route file and back."""

from dataclasses import replace
from pathlib import Path

from frontier.adapters.model_details import read_details
from frontier.domain.model import Model
from frontier.domain.project import Project, Route
from frontier.gateway.route_file import Content
from frontier.gateway.route_table import build, parse
from frontier.renderers.routes import routes_file

MODEL = Model(
    name="smollm2:135m",
    digest="ab" * 32,
    size_bytes=98870528,
    source="pypi:x",
    file_name="x.gguf",
    path=Path("/nowhere.gguf"),
    pulled_at="2026-11-21T00:00:00+00:00",
)


def test_a_models_header_reaches_the_gateways_table(smollm2: Path) -> None:
    model = replace(MODEL, path=smollm2)
    details = read_details(model, context=1024, engine="llamacpp")
    route = Route(model=model.name, service="llamacpp", backend="llamacpp", details=details)
    project = Project(name="p", stack="s", routes=(route,))
    again = Project.from_json(project.to_json())

    text = routes_file(again.routes, {"llamacpp": 1})
    found = build([parse(Content(Path("routes.yaml"), text.encode()))]).find("smollm2:135m")

    assert again == project
    assert found is not None
    known = found.target.details
    assert (known.family, known.parameters, known.quantisation) == ("llama", 134515008, "Q4_1")
    assert (known.context, known.embedding_length) == (1024, 576)
    assert (known.digest, known.size_bytes) == ("ab" * 32, 98870528)
    assert known.licence == "Apache-2.0"
    assert known.capabilities == ("completion", "tools", "embedding")


def test_the_context_is_the_trained_one_where_none_is_set(smollm2: Path) -> None:
    model = replace(MODEL, path=smollm2)

    details = read_details(model, context=0, engine="mistral")

    assert details is not None
    assert details.context == 8192
    assert details.capabilities == ("completion", "tools")


def test_a_model_that_is_no_file_has_no_details(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"nonsense")

    assert read_details(MODEL, context=0, engine="llamacpp") is None
    assert read_details(replace(MODEL, path=broken), context=0, engine="llamacpp") is None


def test_a_quantisation_of_an_entry_and_the_users_own_catalog_are_known(
    smollm2: Path, tmp_path: Path
) -> None:
    text = "schema: 1\nmodels:\n  house:1:\n    licence: Own\n    ollama: {tag: x}\n"
    (tmp_path / "own.yaml").write_text(text)
    other = replace(MODEL, path=smollm2, name="smollm2:135m-q8_0")
    own = replace(MODEL, path=smollm2, name="house:1")

    by_quantisation = read_details(other, context=0, engine="llamacpp")
    by_user = read_details(own, context=0, engine="llamacpp", catalog=tmp_path)

    assert by_quantisation is not None
    assert by_quantisation.licence == "Apache-2.0"
    assert by_user is not None
    assert by_user.licence == "Own"

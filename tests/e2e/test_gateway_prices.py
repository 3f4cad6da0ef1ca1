"""What tokens cost: counted by the prices in force when they were computed."""

from collections.abc import Callable
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from gateway_process import GatewayProcess, ask, chat, get
from scripted_upstream import ScriptedUpstream, answer, completion
from waiting import until

USAGE = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}
CACHED = USAGE | {"prompt_tokens_details": {"cached_tokens": 400}}


def routes(path: Path, url: str, price: str) -> Path:
    entry = f"{{name: m, backend: openai, backend_url: '{url}'{price}}}"
    path.write_text(f"version: 1\nmodels:\n  - {entry}\n")
    return path


def cost_usd(gateway: GatewayProcess) -> float | None:
    families = text_string_to_metric_families(get(gateway.port, "/metrics").body.decode())
    samples = [s for f in families for s in f.samples if s.name == "frontier_cost_usd_total"]
    return samples[0].value if samples else None


def test_tokens_are_counted_by_the_price_of_their_model(
    upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    upstream.on("priced", answer(completion("m") | {"usage": CACHED}))
    file = routes(
        tmp_path / "r.yaml", upstream.url, ", price: {input: 1.0, output: 4.0, cached: 0.1}"
    )
    with GatewayProcess("--config", file) as gateway:
        assert cost_usd(gateway) == 0.0
        ask(gateway.port, chat("m", "priced"))

        assert cost_usd(gateway) == (600 * 1.0 + 500 * 4.0 + 400 * 0.1) / 1_000_000


def test_a_new_price_holds_from_then_on_and_lowers_no_counter(
    upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    upstream.on("repriced", answer(completion("m") | {"usage": USAGE}))
    file = routes(tmp_path / "r.yaml", upstream.url, ", price: {input: 1000}")
    with GatewayProcess("--config", file) as gateway:
        ask(gateway.port, chat("m", "repriced"))
        assert cost_usd(gateway) == 1.0
        reloaded: Callable[[], object] = lambda: gateway.events("config_loaded")  # noqa: E731
        routes(file, upstream.url, ", price: {input: 500}")
        until(reloaded, what="the new price")
        ask(gateway.port, chat("m", "repriced"))

        assert cost_usd(gateway) == 1.5


def test_a_model_without_a_price_costs_nothing_that_is_told(
    upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    upstream.on("free", answer(completion("m")))
    with GatewayProcess("--config", routes(tmp_path / "r.yaml", upstream.url, "")) as gateway:
        ask(gateway.port, chat("m", "free"))

        assert cost_usd(gateway) is None


def test_a_price_below_zero_is_refused_with_its_line(
    upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    file = routes(tmp_path / "r.yaml", upstream.url, ", price: {input: 1}")
    with GatewayProcess("--config", file) as gateway:
        routes(file, upstream.url, ", price: {input: -1}")
        rejected = until(lambda: gateway.events("config_rejected"), what="the refusal")[0]

    assert f"{file}:3: models[0].price.input" in rejected["reason"]

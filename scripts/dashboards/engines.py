"""Which models are loaded, and what each kind of engine says of itself."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.board import Row, board
from dashboards.engine_rows import llama_cpp, mistral, ollama, vllm
from dashboards.panels import BAD_ABOVE_0, TOKENS_PER_S, Panel, Query, bars, lines, number, states
from dashboards.promql import ASKED, BACKEND, BOTH, RANGE, growth, quantile, rate, total

SLUG = "engines"

_OUTPUT = f'{BOTH},direction="output"'
_FAILED_LOADS = "frontier_model_load_failures_total"
_DEVICES = {
    0: ("CPU", "blue"),
    1: ("GPU", "green"),
    -1: ("GPU", "green"),  # found without being chosen
    2: ("CPU in place of a GPU", "red"),
}


def build() -> Dashboard:
    """Return the dashboard; the rows of engines that a stack may not have are folded."""
    return board(
        SLUG,
        "Models and engines",
        "What is loaded, what it takes, how fast it is; a folded row for each kind of engine.",
        (
            Row("Now", _now()),
            Row("Models", _models()),
            Row("llama.cpp", llama_cpp(), is_folded=True),
            Row("vLLM", vllm(), is_folded=True),
            Row("mistral.rs", mistral(), is_folded=True),
            Row("Ollama", ollama(), is_folded=True),
        ),
        labels=("model", "backend"),
    )


def _now() -> tuple[Panel, ...]:
    unused = "frontier_engine_gpu_expected == 1 and on (backend) frontier_engine_gpu_in_use == 0"
    return (
        number(
            "Backends up",
            "Backends whose engines all answered their last probe.",
            "short",
            Query(total("frontier_backend_up", BACKEND)),
            levels=((None, "red"), (1, "green")),
        ),
        number(
            "In flight",
            "Requests that an engine works on.",
            "short",
            Query(total("frontier_inflight_requests", BOTH)),
        ),
        number(
            "Generated",
            "Tokens of all answers together, as far as they carry their usage.",
            TOKENS_PER_S,
            Query(rate("frontier_tokens_total", _OUTPUT)),
        ),
        number(
            "Loaded by Ollama",
            "Memory and video memory of the models that Ollama has loaded. Other engines load "
            "their model at their start and keep it.",
            "bytes",
            Query(total("frontier_loaded_model_bytes", BOTH)),
            none="nothing",
        ),
        number(
            "Fell back to the CPU",
            "Engines that should use a GPU and do not: EngineOnCpu. `frontier status` says why.",
            "short",
            Query(f"count({unused}) or vector(0)"),
            levels=BAD_ABOVE_0,
        ),
        number(
            "Failed loads",
            "Starts of an engine, in the chosen time, after which it did not get ready.",
            "short",
            Query(growth(_FAILED_LOADS, BOTH)),
            levels=BAD_ABOVE_0,
            is_count=True,
        ),
    )


def _models() -> tuple[Panel, ...]:
    each = "gen_ai_server_time_per_output_token_seconds"
    return (
        lines(
            "Generated tokens by model",
            "As far as answers carry their usage.",
            TOKENS_PER_S,
            Query(rate("frontier_tokens_total", _OUTPUT, by="model"), "{{model}}"),
            stack=True,
        ),
        lines(
            "In flight by model",
            "Requests that an engine works on: more than it has slots have to wait inside it.",
            "short",
            Query(total("frontier_inflight_requests", BOTH, by="model"), "{{model}}"),
            stack=True,
        ),
        bars(
            "Time per output token by model",
            "Median of the chosen time: which model is quick enough to read along.",
            "s",
            Query(
                quantile(0.5, each, ASKED, by="gen_ai_request_model", window=RANGE),
                "{{gen_ai_request_model}}",
            ),
        ),
        states(
            "What computes",
            "Where each engine said at its last start that it computes.",
            _DEVICES,
            Query(
                "2 * max by (backend) (frontier_engine_gpu_expected) - "
                "max by (backend) (frontier_engine_gpu_in_use)",
                "{{backend}}",
            ),
        ),
        bars(
            "How long loading takes",
            "From the start of an engine's process to its readiness, on average since Frontier "
            "began to count.",
            "s",
            Query(f"{_loads('sum')} / ({_loads('count')} > 0)", "{{model}} on {{backend}}"),
        ),
        lines(
            "Failed loads",
            "In the last 20 minutes. ModelLoadFailing fires at three within four times "
            "MODEL_TIMEOUT, which is as long unless you changed it.",
            "short",
            Query(
                growth(_FAILED_LOADS, BOTH, by="model, backend", window="20m"),
                "{{model}} on {{backend}}",
            ),
        ),
    )


def _loads(part: str) -> str:
    return f"sum by (model, backend) (frontier_model_load_seconds_{part}{{{BOTH}}})"

"""What each kind of engine says of itself, under its own names; Ollama says nothing."""

from dashboards.panels import TOKENS_PER_S, Panel, Query, lines
from dashboards.promql import quantile, rate, total

_NO_LLAMA = "no llama.cpp in this stack"
_NO_VLLM = "no vLLM in this stack"
_NO_MISTRAL = "no mistral.rs in this stack"
_NO_OLLAMA = "no Ollama in this stack"


def llama_cpp() -> tuple[Panel, ...]:
    """Return llama.cpp's row; its server has no histograms and no label for the model."""
    return (
        lines(
            "Slots",
            "Requests in a slot, and those that wait inside the engine for one: NUM_PARALLEL.",
            "short",
            Query(total("llamacpp:requests_processing", by="instance"), "{{instance}} busy"),
            Query(total("llamacpp:requests_deferred", by="instance"), "{{instance}} deferred"),
            width=8,
            none=_NO_LLAMA,
        ),
        lines(
            "Tokens",
            "Prompt tokens computed, and tokens generated, of all slots together.",
            TOKENS_PER_S,
            Query(rate("llamacpp:prompt_tokens_total"), "prompt"),
            Query(rate("llamacpp:tokens_predicted_total"), "generated"),
            width=8,
            none=_NO_LLAMA,
        ),
        lines(
            "Slots per step",
            "How many streams one step of the model serves at once, on average since its start.",
            "short",
            Query(total("llamacpp:n_busy_slots_per_decode", by="instance"), "{{instance}}"),
            width=8,
            none=_NO_LLAMA,
        ),
    )


def vllm() -> tuple[Panel, ...]:
    """Return vLLM's row."""
    return (
        lines(
            "Running and waiting",
            "Requests in the batch, and those that wait for room: vLLM's measure of load.",
            "short",
            Query(total("vllm:num_requests_running", by="model_name"), "{{model_name}} running"),
            Query(total("vllm:num_requests_waiting", by="model_name"), "{{model_name}} waiting"),
            width=8,
            none=_NO_VLLM,
        ),
        lines(
            "KV cache in use",
            "Near 1 requests wait or are put back: less context or fewer sequences.",
            "percentunit",
            Query("max by (model_name) (vllm:kv_cache_usage_perc)", "{{model_name}}"),
            width=8,
            most=1,
            none=_NO_VLLM,
        ),
        lines(
            "Tokens",
            "Prompt tokens and generated tokens.",
            TOKENS_PER_S,
            Query(rate("vllm:prompt_tokens_total"), "prompt"),
            Query(rate("vllm:generation_tokens_total"), "generated"),
            width=8,
            none=_NO_VLLM,
        ),
        lines(
            "Time to first token and between tokens",
            "As the engine measures them, without the gateway's queue.",
            "s",
            Query(quantile(0.95, "vllm:time_to_first_token_seconds"), "first token, p95"),
            Query(quantile(0.95, "vllm:inter_token_latency_seconds"), "between tokens, p95"),
            Query(quantile(0.95, "vllm:request_queue_time_seconds"), "in the queue, p95"),
            width=8,
            none=_NO_VLLM,
        ),
        lines(
            "How requests end",
            "length: the answer was cut at its limit; abort: the client left.",
            "reqps",
            Query(rate("vllm:request_success_total", by="finished_reason"), "{{finished_reason}}"),
            width=8,
            stack=True,
            none=_NO_VLLM,
        ),
        lines(
            "Put back",
            "Requests that lost their place in the KV cache and are computed again.",
            "reqps",
            Query(rate("vllm:num_preemptions_total", by="model_name"), "{{model_name}}"),
            width=8,
            none=_NO_VLLM,
        ),
    )


def mistral() -> tuple[Panel, ...]:
    """Return mistral.rs' row."""
    return (
        lines(
            "Sequences",
            "Answers in the making, those that wait, and how many fit.",
            "short",
            Query(total("mistralrs_sequences_running"), "running"),
            Query(total("mistralrs_sequences_waiting"), "waiting"),
            Query(total("mistralrs_sequences_capacity"), "capacity"),
            width=8,
            none=_NO_MISTRAL,
        ),
        lines(
            "Tokens",
            "Tokens computed, prompts and answers together.",
            TOKENS_PER_S,
            Query(rate("mistralrs_tokens_processed_total"), "tokens"),
            width=8,
            none=_NO_MISTRAL,
        ),
        lines(
            "Time to first token and between tokens",
            "As the engine measures them, without the gateway's queue.",
            "s",
            Query(quantile(0.95, "mistralrs_time_to_first_token_seconds"), "first token, p95"),
            Query(quantile(0.95, "mistralrs_inter_token_latency_seconds"), "between tokens, p95"),
            width=8,
            none=_NO_MISTRAL,
        ),
        lines(
            "KV cache in use",
            "Share of the cache's blocks that hold something.",
            "percentunit",
            Query(
                f"{total('mistralrs_kv_cache_blocks_used')} / "
                f"{total('mistralrs_kv_cache_blocks_total')}",
                "used",
            ),
            width=8,
            most=1,
            none=_NO_MISTRAL,
        ),
        lines(
            "Requests by status",
            "As the engine answers them.",
            "reqps",
            Query(rate("http_requests_total", 'job="frontier-engine"', by="status"), "{{status}}"),
            width=8,
            stack=True,
            none=_NO_MISTRAL,
        ),
        lines(
            "Sequences that end",
            "Completed ones, and those that the engine rejected.",
            "reqps",
            Query(rate("mistralrs_sequences_completed_total"), "completed"),
            Query(rate("mistralrs_sequences_rejected_total"), "rejected"),
            width=8,
            none=_NO_MISTRAL,
        ),
    )


def ollama() -> tuple[Panel, ...]:
    """Return Ollama's row: it has no metrics, so the gateway tells what it sees of it."""
    own = 'gen_ai_provider_name="ollama"'
    first, between = (
        "gen_ai_server_time_to_first_token_seconds",
        "gen_ai_server_time_per_output_token_seconds",
    )
    return (
        lines(
            "Loaded models",
            "What /api/ps lists. One that comes and goes costs its loading time each time: "
            "OLLAMA_KEEP_ALIVE, OLLAMA_MAX_LOADED_MODELS.",
            "bytes",
            Query(total("frontier_loaded_model_bytes", by="model"), "{{model}}"),
            width=6,
            stack=True,
            none=_NO_OLLAMA,
        ),
        lines(
            "Share in video memory",
            "Below 1 the rest of the model is computed by the CPU, which is slow.",
            "percentunit",
            Query(
                f"{total('frontier_loaded_model_vram_bytes', by='model')} / "
                f"({total('frontier_loaded_model_bytes', by='model')} > 0)",
                "{{model}}",
            ),
            width=6,
            most=1,
            none=_NO_OLLAMA,
        ),
        lines(
            "Requests",
            "Requests that the gateway sent there, by operation.",
            "reqps",
            Query(
                rate(
                    "gen_ai_client_operation_duration_seconds_count",
                    own,
                    by="gen_ai_operation_name",
                ),
                "{{gen_ai_operation_name}}",
            ),
            width=6,
            none=_NO_OLLAMA,
        ),
        lines(
            "Time to first token and between tokens",
            "As the gateway measures them.",
            "s",
            Query(quantile(0.95, first, own), "first token, p95"),
            Query(quantile(0.95, between, own), "between tokens, p95"),
            width=6,
            none=_NO_OLLAMA,
        ),
    )

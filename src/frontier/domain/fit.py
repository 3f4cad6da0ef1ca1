"""Whether a model fits into memory, said in bytes before anything is loaded."""

from frontier.domain.errors import DoesNotFitError
from frontier.domain.machine import Machine
from frontier.domain.model import GgufHeader

# What llama.cpp takes besides weights and KV cache: compute buffers of one batch, the vocabulary,
# the process itself. Measured with a 135M model and a context of 4096: 150 MiB beyond both.
_OVERHEAD_BYTES = 256 * 2**20


def needed_bytes(size_bytes: int, header: GgufHeader | None, tokens: int) -> int:
    """Return what an engine takes for weights, KV cache and itself.

    Args:
        size_bytes: Of the model file, which is as long as its weights.
        header: None before the download, when the KV cache is left out.
        tokens: Context of all request slots together.
    """
    per_token = header.kv_bytes_per_token or 0 if header else 0
    return size_bytes + per_token * tokens + _OVERHEAD_BYTES


def free_bytes(machine: Machine, *, held_bytes: int, limit_bytes: int | None = None) -> int | None:
    """Return the memory a new engine could get, None where it is unknown.

    Args:
        machine: Its available memory counts.
        held_bytes: Memory of our own processes that give way to the new engine.
        limit_bytes: What Docker can give its containers at most, None for no such limit.
    """
    if machine.memory is None:
        return limit_bytes
    free = machine.memory.available_bytes + held_bytes
    return free if limit_bytes is None else min(free, limit_bytes)


def require(name: str, needed: int, free: int | None) -> None:
    """Refuse what does not fit.

    Raises:
        DoesNotFitError: needed and present, in bytes.
    """
    if free is not None and needed > free:
        raise DoesNotFitError(
            f"{name} does not fit into memory: it needs about {needed:,} bytes, {free:,} are there",
            hint="Choose a smaller model (`frontier models available`) or a smaller "
            "MAX_CONTEXT_LENGTH.",
        )

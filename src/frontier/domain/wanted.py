"""What a person asked `up` for, settings and command line together, as plain values."""

from dataclasses import dataclass, field
from typing import Final

from frontier.domain.chat import Sampling
from frontier.domain.errors import RefusedError, UsageError
from frontier.domain.sizing import UBATCH, KvType, Load

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where the gateway listens.

    Attributes:
        address: Bind address.
        ports: TCP ports, 0 left out.
        api_key: A key that requests may carry; empty for none.
        has_keys: Requests may carry keys of ``keys.yaml``; without any key it is open.
    """

    address: str
    ports: tuple[int, ...]
    api_key: str = field(default="", repr=False)
    has_keys: bool = False

    @property
    def is_loopback(self) -> bool:
        """Tell whether only this machine can reach it."""
        return self.address in LOOPBACK or self.address.startswith("127.")

    def require_safe(self, *, needs_key: bool = False) -> None:
        """Refuse to listen nowhere, or to open the gateway to others without a key.

        Args:
            needs_key: Refuse on loopback, too.

        Raises:
            UsageError: no port.
            RefusedError: not loopback, or *needs_key*, and no key.
        """
        if not self.ports:
            raise UsageError(
                "API_PORT and GATEWAY_PORT are both 0: the gateway would listen nowhere",
                hint="frontier config set API_PORT 11434",
            )
        if self.api_key or self.has_keys or (self.is_loopback and not needs_key):
            return
        why = (
            "ENABLE_AUTH is true but there is no API_KEY and no key of `frontier keys`"
            if self.is_loopback
            else f"BIND_ADDRESS={self.address} opens the gateway to others without a key"
        )
        raise RefusedError(why, hint='frontier config set API_KEY "$(openssl rand -hex 24)"')

    @property
    def host(self) -> str:
        """Return the address as a client on this machine would write it."""
        everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not bound
        address = everywhere.get(self.address, self.address)
        return f"[{address}]" if ":" in address else address

    @property
    def urls(self) -> tuple[str, ...]:
        """Return one URL per port, without a path."""
        return tuple(f"http://{self.host}:{port}" for port in self.ports)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One `up`.

    Attributes:
        context: Tokens of one request slot, at most.
        parallel: Request slots.
        prompts_bytes: Memory of llama.cpp's prompt cache.
        has_flash: Flash attention may be used.
        kv_type: Of the KV cache's elements; fewer bits need flash attention.
        batch: Tokens of prompts that llama.cpp computes at once.
        fetch: A model that is not here may be downloaded.
        proof: How the proving answer is sampled.
    """

    stack: str
    model: str
    listening: Listening
    context: int = 4096
    parallel: int = 1
    prompts_bytes: int = 512 * 2**20
    has_flash: bool = True
    kv_type: KvType = "f16"
    batch: int = UBATCH
    fetch: bool = True
    proof: Sampling = field(default_factory=lambda: Sampling(temperature=0.0, max_tokens=48))

    def load(self, context: int) -> Load:
        """Return what is asked of an engine whose slots have *context* tokens.

        Raises:
            UsageError: a cache of few bits without flash attention, which no engine can compute.
        """
        if self.kv_type != "f16" and not self.has_flash:
            raise UsageError(
                f"KV_CACHE_TYPE={self.kv_type} needs flash attention, and it is turned off",
                hint="frontier config unset ENABLE_FLASH_ATTENTION",
            )
        return Load(
            context=context,
            parallel=self.parallel,
            prompts_bytes=self.prompts_bytes,
            has_flash=self.has_flash,
            kv_type=self.kv_type,
            batch=self.batch,
        )

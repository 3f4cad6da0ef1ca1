"""llama.cpp's server: the one on PATH, or the one in our own process.

``python -m frontier.adapters.llama_server`` takes the flags of ``llama-server`` that Frontier
uses and runs the same server from the package ``xllamacpp``, so a first run needs no other
program.
"""

import argparse
import importlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

from frontier.renderers.native import EngineSpec, server_flags

_PROBE_TIMEOUT_S = 10.0
_POOLING = ("none", "mean", "cls", "last", "rank")

# Above the default of 3, where since b9151 (May 2026) the engine tells on which device it put
# how many layers; prompts stand in the log from 5 on.
_TELLS_DEVICES = 4
_KNOWS_LEVELS = "4: trace"  # in the help; before that, 4 was what 5 is now


@dataclass(frozen=True, slots=True)
class Engine:
    """A llama.cpp server.

    Attributes:
        argv: The program, without the flags that one model needs.
        reason: Which one it is and why, for people.
    """

    argv: tuple[str, ...]
    reason: str

    @property
    def name(self) -> str:
        """Return which one it is, without the reason."""
        return self.reason.partition(" (")[0].partition(",")[0]


def find_engine(
    python: str, *, path: str | None = None, patience_s: float = _PROBE_TIMEOUT_S
) -> Engine:
    """Return ``llama-server`` where there is one that can serve us, else our own.

    Args:
        python: The interpreter that has Frontier installed.
        path: Where to look, like the variable PATH; None looks in PATH itself.
        patience_s: Seconds that a program gets to show its help.
    """
    ours = (python, "-m", "frontier.adapters.llama_server")
    found = shutil.which("llama-server", path=path)
    if found is None:
        return Engine(ours, "the embedded llama.cpp (no llama-server on PATH)")
    said, problem = _help(found, patience_s)
    if problem := problem or _too_old(said):
        return Engine(ours, f"the embedded llama.cpp, because {found} {problem}")
    verbosity = ("--verbosity", str(_TELLS_DEVICES)) if _KNOWS_LEVELS in said else ()
    return Engine((found, *verbosity), f"llama.cpp at {found}")


def _help(program: str, patience_s: float) -> tuple[str, str]:
    """Return what *program* says about its flags, and why it does not."""
    try:
        done = subprocess.run(  # noqa: S603 a program of that name, asked for its help
            (program, "--help"),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=patience_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "", f"does not answer within {patience_s:g} s"
    except OSError as error:
        return "", f"cannot be executed: {error.strerror}"
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return "", f"fails with exit code {done.returncode}: {last}"
    return done.stdout + done.stderr, ""


def _too_old(said: str) -> str:
    """Return which flags of ours a program with that help does not know, "" if it knows all."""
    known = set(said.replace(",", " ").split())
    missing = [flag for flag in _flags() if flag not in known]
    return f"is too old: it does not know {', '.join(missing)}" if missing else ""


def _flags() -> list[str]:
    plain = EngineSpec(argv=(), model="m", path=Path("p"))
    everything = replace(plain, threads=1, flash_attention=True, batch=64)
    return [word for word in server_flags(everything) if word.startswith("--")]


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve one model until SIGTERM; return the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    if list(given) == ["--list-devices"]:
        return _list_devices()
    options = _parser().parse_args(given)
    if not options.model.is_file():
        return _fail(f"there is no model file {options.model}")
    xllamacpp: Any = importlib.import_module("xllamacpp")  # it has no type information
    params = _params(xllamacpp, options)
    try:
        _server = xllamacpp.Server(params)
    except RuntimeError:  # its message is one for all reasons; the reason itself was logged
        return _fail(f"llama.cpp does not start with {options.model}; its reason is above")
    _until_told_to_stop()
    # Streams are the gateway's to drain. The server's own teardown waits for every one of them:
    # measured, 30 s for one stream whose client is slow.
    os._exit(0)


def _list_devices() -> int:
    """Print the GPUs as ``llama-server --list-devices`` does."""
    xllamacpp: Any = importlib.import_module("xllamacpp")
    kind = xllamacpp.ggml_backend_dev_type
    gpus = (kind.GGML_BACKEND_DEVICE_TYPE_GPU, kind.GGML_BACKEND_DEVICE_TYPE_IGPU)
    lines = [
        f"  {d['name']}: {d['description']} "
        f"({d['memory_total'] >> 20} MiB, {d['memory_free'] >> 20} MiB free)"
        for d in xllamacpp.get_device_info()
        if d["type"] in gpus
    ]
    sys.stdout.write("\n".join(["Available devices:", *lines, ""]))
    return 0


def _fail(text: str) -> int:
    # one write on a line of its own: llama.cpp logs from a thread, in pieces of lines
    os.write(2, f"\nerror: {text}\n".encode())
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="llama_server", description="llama.cpp's server.")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--alias", default="")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ctx-size", type=int, default=0)
    parser.add_argument("--parallel", type=int, default=1)
    parser.add_argument("--cache-ram", type=int, default=512)
    parser.add_argument("--threads", type=int, default=-1)
    parser.add_argument("--n-gpu-layers", type=int)  # all that fit
    parser.add_argument("--flash-attn", choices=("on", "off", "auto"), default="auto")
    parser.add_argument("--embeddings", action="store_true")
    # without it the model's own way, which only a model made for embeddings has
    parser.add_argument("--pooling", choices=_POOLING, default="unspecified")
    for flag in ("--cache-type-k", "--cache-type-v"):
        parser.add_argument(flag, choices=("f16", "q8_0", "q4_0"), default="f16")
    for flag in ("--batch-size", "--ubatch-size"):
        parser.add_argument(flag, type=int)  # the engine's own
    parser.add_argument("--kv-unified", action="store_true")
    parser.add_argument("--metrics", action="store_true")
    parser.add_argument("--no-context-shift", action="store_true")
    return parser


def _params(xllamacpp: Any, options: argparse.Namespace) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = str(options.model)
    params.model_alias = {name for name in options.alias.split(",") if name}
    params.hostnames, params.port = [options.host], options.port
    params.n_ctx, params.n_parallel = options.ctx_size, options.parallel
    params.cpuparams.n_threads = options.threads
    params.verbosity = _TELLS_DEVICES
    if options.n_gpu_layers is not None:
        params.n_gpu_layers = options.n_gpu_layers
    params.cache_ram_mib, params.kv_unified = options.cache_ram, options.kv_unified
    for name in ("cache_type_k", "cache_type_v"):
        kind = getattr(options, name).upper()
        setattr(params, name, getattr(xllamacpp.ggml_type, f"GGML_TYPE_{kind}"))
    if options.ubatch_size is not None:
        params.n_batch, params.n_ubatch = options.batch_size, options.ubatch_size
    params.ctx_shift = not options.no_context_shift
    params.embedding, params.endpoint_metrics = options.embeddings, options.metrics
    kind = f"LLAMA_POOLING_TYPE_{options.pooling.upper()}"
    params.pooling_type = getattr(xllamacpp.llama_pooling_type, kind)
    kind = f"LLAMA_FLASH_ATTN_TYPE_{_FLASH[options.flash_attn]}"
    params.flash_attn_type = getattr(xllamacpp.llama_flash_attn_type, kind)
    # only our gateway talks to it: no pages, and no web page may make a browser talk to it
    params.ui, params.cors_origins = False, ""
    return params


_FLASH = {"on": "ENABLED", "off": "DISABLED", "auto": "AUTO"}


def _until_told_to_stop() -> None:
    """Wait for SIGTERM or SIGINT, whichever of the engine's threads it reaches.

    While the model loads the signals keep their default and end the process at once: the loader
    holds the interpreter, no handler could run.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)

    def note(_number: int, _frame: FrameType | None) -> None:
        os.write(writing, b".")  # the descriptor was not set yet when the signal came

    signal.set_wakeup_fd(writing)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, note)
    os.read(reading, 1)


if __name__ == "__main__":
    sys.exit(main())

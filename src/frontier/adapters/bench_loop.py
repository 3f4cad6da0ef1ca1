"""The event loop of a benchmark."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Final

_ENDS: Final = (signal.SIGINT, signal.SIGTERM)


def carry_out(main: Callable[[], Coroutine[Any, Any, None]]) -> bool:
    """Run *main* to its end; return False where Ctrl-C, SIGTERM or SIGHUP ended it first."""
    import uvloop

    _many_files()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_unless_told(main))


async def _unless_told(main: Callable[[], Coroutine[Any, Any, None]]) -> bool:
    # a KeyboardInterrupt comes up wherever the loop is, and some places lose it
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None, "it runs in one"  # noqa: S101 for the type checkers
    ends = _ENDS if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (*_ENDS, signal.SIGHUP)
    for number in ends:
        loop.add_signal_handler(number, task.cancel)
    try:
        await main()
    except asyncio.CancelledError:
        # shell and kernel both tell that a terminal is closed: the second must not lose the result
        loop.remove_signal_handler(signal.SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        return False
    finally:
        for number in ends:
            loop.remove_signal_handler(number)
    return True


def _many_files() -> None:
    """Allow as many connections as the system does; 256 is macOS's first offer."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

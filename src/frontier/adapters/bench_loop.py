"""The event loop of a benchmark."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Final

_ENDS: Final = (signal.SIGINT, signal.SIGTERM)


def carry_out(main: Callable[[], Coroutine[Any, Any, None]]) -> bool:
    """Run *main* to its end; return False where Ctrl-C, SIGTERM or SIGHUP came before it."""
    import uvloop

    _many_files()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_unless_told(main))


async def _unless_told(main: Callable[[], Coroutine[Any, Any, None]]) -> bool:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None, "it runs in one"  # noqa: S101 for the type checkers
    is_told = False

    def hear(_number: int, _frame: object) -> None:
        # no KeyboardInterrupt: it comes up wherever the loop is, and some places lose it; not the
        # loop's own handlers: they lose what comes while *main* returns
        nonlocal is_told
        is_told = True
        loop.call_soon_threadsafe(task.cancel)

    ends = _ENDS if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (*_ENDS, signal.SIGHUP)
    before = {number: signal.signal(number, hear) for number in ends}
    try:
        await main()
    except asyncio.CancelledError:
        if not is_told:
            raise
    finally:
        if is_told:  # shell and kernel both tell that a terminal is closed: nothing may be lost
            before[signal.SIGHUP] = signal.SIG_IGN
        for number, handler in before.items():
            signal.signal(number, handler)
    return not is_told


def _many_files() -> None:
    """Allow as many connections as the system does; 256 is macOS's first offer."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

"""The event loop of a benchmark, and how one ends it early."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Final, Self

_ENDS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Loop:
    """Carries out coroutines; while it is entered, Ctrl-C, SIGTERM and SIGHUP end them.

    They do nothing else: what was measured is put together and written in peace, however often
    somebody presses Ctrl-C.

    Attributes:
        is_told: One of them came.
    """

    def __init__(self) -> None:
        self.is_told = False
        self._cancel: Callable[[], object] | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # by nohup
        ends = _ENDS[:-1] if ignored else _ENDS
        # no KeyboardInterrupt: it comes up wherever the program is, and some places lose it; not
        # the event loop's own handlers: they lose what comes while a coroutine returns
        self._before = {number: signal.signal(number, self._hear) for number in ends}
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_told:  # shell and kernel both tell that a terminal is closed
            self._before[signal.SIGHUP] = signal.SIG_IGN
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, _number: int, _frame: object) -> None:
        self.is_told = True
        if self._cancel is not None:
            self._cancel()

    def carry_out(self, main: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Run *main* to its end; return False where it was ended, or one of them came before."""
        import uvloop

        _many_files()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._until_told(main))
        return not self.is_told

    async def _until_told(self, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None, "it runs in one"  # noqa: S101 for the type checkers
        self._cancel = lambda: loop.call_soon_threadsafe(task.cancel)
        try:
            if not self.is_told:
                await main()
        except asyncio.CancelledError:
            if not self.is_told:
                raise
        finally:
            self._cancel = None


def carry_out(main: Callable[[], Coroutine[Any, Any, None]]) -> bool:
    """Run *main* to its end; return False where Ctrl-C, SIGTERM or SIGHUP came before it."""
    with Loop() as loop:
        return loop.carry_out(main)


def _many_files() -> None:
    """Allow as many connections as the system does; 256 is macOS's first offer."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

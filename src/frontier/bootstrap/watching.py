"""Looking at what runs, for `frontier top`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from frontier.bootstrap.access import Access
from frontier.bootstrap.core import Core
from frontier.bootstrap.running import Running

if TYPE_CHECKING:
    from frontier.adapters.watch import Watch
    from frontier.domain.top_reading import RunningRead

_PAST_LINES: Final = 2000


@dataclass
class Watching:
    """What `frontier top` looks through."""

    core: Core
    running: Running
    access: Access

    def watch(self) -> "Watch":
        """Return what reads."""
        from frontier.adapters.failures import Failures
        from frontier.adapters.watch import Watch

        return Watch(
            self.core.workspace.root,
            running=self._runs,
            key=self.access.key_of,
            failures=Failures(lambda: self.running.logs.follow(["gateway"], _PAST_LINES)),
        )

    def _runs(self) -> "RunningRead":
        from frontier.domain.top_reading import RunningRead

        runtime = self.running.runtime
        daemon = runtime.state()
        return RunningRead(
            daemon=daemon,
            has_died=daemon is None and runtime.has_died(),
            project=self.core.project.load(),
        )

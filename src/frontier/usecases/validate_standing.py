"""What the checks of a workspace look at."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from frontier.domain.change import Interrupted
from frontier.domain.model import Model
from frontier.domain.project import Project
from frontier.domain.setting import Setting
from frontier.domain.stack import Stack
from frontier.domain.wanted import Listening
from frontier.ports import Catalog, KeyStore, ModelStore, ProjectFile, Runtime
from frontier.ports.checking import Host, Web, WorkspaceLook
from frontier.usecases.stacks import StackLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the checks of a workspace look at; functions are asked once each.

    Attributes:
        root: The workspace.
        is_there: It has been set up.
        look: Its folder.
        settings: Every variable; raises where one is wrong.
        listening: Where the gateway would listen; raises where that is unsafe.
        stack: The selected stack.
        stacks: All stacks, those that cannot be read with the reason.
        routes_problem: Why the gateway would not take config/models.yaml, "" where it would.
        active_keys: Tells whether a key lets anybody in now.
        own_model: The model that the engine of a stack gets by itself, None for one of the store.
        wanted_model: The name of the model that the settings ask for.
        foreseen: The project that `frontier up` would run now.
        interrupted: The change that was killed, None where there is none.
        reachable: The gateway's address and a key for it.
        has_docker: Tells whether Docker answers, True where nothing here needs it.
        certificate: The file with what nginx shows of a project, None without TLS.
        must_run: What does not run has failed, as after `frontier up`.
        deep: Hash models instead of comparing size and time.
    """

    root: Path
    is_there: bool
    look: WorkspaceLook
    settings: Callable[[], tuple[Setting, ...]]
    listening: Callable[[], Listening]
    stack: Callable[[], Stack]
    stacks: Callable[[], Iterable[StackLine]]
    routes_problem: Callable[[], str]
    catalog: Catalog
    store: ModelStore
    own_model: Callable[[Stack], Model | None]
    wanted_model: Callable[[], str]
    keys: KeyStore
    active_keys: Callable[[], bool]
    project: ProjectFile
    foreseen: Callable[[Stack], Project]
    interrupted: Callable[[], Interrupted | None]
    runtime: Runtime
    reachable: Callable[[], tuple[str, str]]
    web: Web
    host: Host
    has_docker: Callable[[], bool]
    certificate: Callable[[Project], Path | None]
    must_run: bool = False
    deep: bool = False

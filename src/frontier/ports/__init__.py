"""What use-cases ask of the outside, as Protocols."""

from frontier.ports.backups import BackupStore, ContainerSweep, DataStores, Readable, Staging
from frontier.ports.launching import ToolFiles, ToolTrial
from frontier.ports.models import (
    Catalog,
    EngineKeeper,
    HeaderReader,
    HubRepositories,
    ModelInspector,
    ModelKeeper,
    ModelSources,
    ModelStore,
    OllamaServer,
)
from frontier.ports.reporting import Reporter, Task
from frontier.ports.running import (
    ContainerRuntime,
    GatewayControl,
    Probe,
    Process,
    Processes,
    Runtime,
    Runtimes,
)
from frontier.ports.surroundings import ChatClient, Clock, ImageDigests, MachineProbe
from frontier.ports.watching import Watch
from frontier.ports.workspace import Journal, KeyStore, ProjectFile, SnapshotStore, StackSource

__all__ = [
    "BackupStore",
    "Catalog",
    "ChatClient",
    "Clock",
    "ContainerRuntime",
    "ContainerSweep",
    "DataStores",
    "EngineKeeper",
    "GatewayControl",
    "HeaderReader",
    "HubRepositories",
    "ImageDigests",
    "Journal",
    "KeyStore",
    "MachineProbe",
    "ModelInspector",
    "ModelKeeper",
    "ModelSources",
    "ModelStore",
    "OllamaServer",
    "Probe",
    "Process",
    "Processes",
    "ProjectFile",
    "Readable",
    "Reporter",
    "Runtime",
    "Runtimes",
    "SnapshotStore",
    "StackSource",
    "Staging",
    "Task",
    "ToolFiles",
    "ToolTrial",
    "Watch",
]

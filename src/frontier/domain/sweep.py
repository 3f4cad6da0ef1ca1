"""What Docker has of one workspace."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Names of what a reset could remove.

    Attributes:
        projects: Compose projects of this workspace and of no other that have containers or
            networks.
        images: Those that Frontier built and this workspace used, and no other container needs.
    """

    projects: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    images: tuple[str, ...] = ()

"""Images: the gateway's own, and what the others are pinned to."""

import os
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from frontier.bootstrap.core import Core

if TYPE_CHECKING:
    from frontier.adapters.gateway_image import GatewayImage
    from frontier.adapters.image_digests import DockerImageDigests
    from frontier.adapters.images_lock import ImagesLock
    from frontier.adapters.wheels import Wheels


@dataclass
class Images:
    """The images of one workspace."""

    core: Core

    @cached_property
    def digests(self) -> "DockerImageDigests":
        """What Docker knows about images."""
        from frontier.adapters.image_digests import DockerImageDigests

        return DockerImageDigests()

    @cached_property
    def lock(self) -> "ImagesLock":
        """The digests that images are pinned to."""
        from frontier.adapters.images_lock import ImagesLock

        return ImagesLock(self.core.workspace.config / "images.lock.yaml")

    def gateway(self, arch: str) -> "GatewayImage":
        """Return the gateway's image for the Docker architecture *arch*."""
        from frontier.adapters.gateway_image import GatewayImage

        folder = self.core.workspace.builds / "gateway"
        return GatewayImage(folder, self.core.settings.gateway_base_image, arch, self._wheels)

    def _wheels(self) -> "Wheels":
        """Open the package index that pip and uv would ask."""
        from frontier.adapters.wheels import open_wheels

        folder = self.core.workspace.builds / "wheels"
        return open_wheels(os.environ, home=Path.home(), prefix=Path(sys.prefix), parts=folder)

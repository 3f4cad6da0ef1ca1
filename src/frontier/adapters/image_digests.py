"""The digests of images, as the Docker engine knows them."""

from frontier.adapters.docker_cli import docker


class DockerImageDigests:
    """Asks Docker about images that are on this machine."""

    def digest(self, reference: str) -> str | None:
        """Return ``sha256:...``, "" for an image built here, None for one that is not here.

        Raises:
            RuntimeFailedError: Docker does not answer.
        """
        from python_on_whales.exceptions import NoSuchImage

        with docker(f"looking at the image {reference}") as client:
            try:
                found = client.image.inspect(reference).repo_digests
            except NoSuchImage:
                return None
        repository = reference.partition("@")[0]
        if ":" in repository.rpartition("/")[2]:
            repository = repository.rpartition(":")[0]
        # the same image may have digests of several repositories
        ours = [d for d in found if _same(d.partition("@")[0], repository)]
        return (ours or found or [""])[0].partition("@")[2]


def _same(one: str, other: str) -> bool:
    prefixes = ("docker.io/library/", "docker.io/")
    for prefix in prefixes:
        one, other = one.removeprefix(prefix), other.removeprefix(prefix)
    return one == other

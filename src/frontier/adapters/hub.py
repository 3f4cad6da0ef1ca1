"""The Hugging Face hub: which file a source means, its digest and its size."""

import contextlib
import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from frontier.domain.errors import DownloadError, UsageError
from frontier.domain.source import HubSource, Remote, public_url

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo, RepoSibling

_SPLIT = re.compile(r"-\d{5}-of-(\d{5})\.gguf$")
_NOT_FOUND = 404
_TRUE = frozenset({"1", "on", "yes", "true"})


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file of a repository, and the name of its blob in the hub's cache.

    Attributes:
        blob: SHA-256 of an LFS file, git's SHA-1 of a small one.
    """

    remote: Remote
    blob: str


@dataclass(frozen=True, slots=True)
class HubSnapshot:
    """A repository at one commit, its files by their names."""

    commit: str
    files: Mapping[str, HubFile]


class Hub:
    """Asks the hub's API for metadata; the bytes come through our own downloader.

    Args:
        environ: HF_ENDPOINT and HF_HUB_OFFLINE are read.
        token: Of the settings, "" for what huggingface-hub itself finds.
        caches: Where files are looked for while HF_HUB_OFFLINE forbids to ask.
    """

    def __init__(
        self, environ: Mapping[str, str], token: str, *, caches: Sequence[Path] = ()
    ) -> None:
        self._caches = caches
        self._endpoint = environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"
        self._is_offline = environ.get("HF_HUB_OFFLINE", "").lower() in _TRUE
        self._token = token

    def locate(self, source: HubSource) -> Remote:
        """Return the file's address at its present commit.

        Raises:
            DownloadError: unreachable, absent, gated, or without such a file.
            UsageError: the model is split over several files.
        """
        if self._is_offline:
            return self._cached(source)
        files = self._files(source)
        return files[_choose(source, files)]

    def files(self, repo: str, revision: str = "") -> Mapping[str, Remote]:
        """Return all files of a repository at its present commit, by their names.

        Raises:
            DownloadError: unreachable, absent, or gated.
        """
        return self._files(HubSource(repo, revision, "", ""))

    def snapshot(self, repo: str, revision: str = "") -> "HubSnapshot":
        """Return all files of a repository, with what the hub's cache calls them.

        Raises:
            DownloadError: unreachable, absent, or gated.
        """
        source = HubSource(repo, revision, "", "")
        info, token = self._info(source)
        commit = str(info.sha)
        files = {
            file.rfilename: HubFile(
                self._remote(source, file, commit, token),
                file.lfs.sha256 if file.lfs else str(file.blob_id),
            )
            for file in info.siblings or []
        }
        return HubSnapshot(commit, files)

    def _cached(self, source: HubSource) -> Remote:
        """Return a file that a cache of this machine has."""
        from frontier.adapters.hub_cache import HubCache

        kept = [model for root in self._caches for model in HubCache(root).models()]
        files = {m.name.removeprefix(f"{source.repo}/"): m for m in kept if m.file_name}
        files = {name: m for name, m in files.items() if m.name == f"{source.repo}/{name}"}
        names = [source.file] if source.file else _with_quant(source.quant, [*files])
        if len(names) != 1 or names[0] not in files:
            raise DownloadError(
                f"cannot read {source}: HF_HUB_OFFLINE is set, and the hub's cache has it not",
                hint="unset HF_HUB_OFFLINE",
            )
        found = files[names[0]]
        return Remote(
            url=found.path.as_uri(),
            file_name=found.file_name,
            digest=found.digest,
            size_bytes=found.size_bytes,
        )

    def _files(self, source: HubSource) -> Mapping[str, Remote]:
        info, token = self._info(source)
        commit = info.sha or source.revision or None
        return {f.rfilename: self._remote(source, f, commit, token) for f in info.siblings or []}

    def _info(self, source: HubSource) -> "tuple[ModelInfo, str]":
        """Return what the hub says of a repository, and the token that it was asked with."""
        if self._is_offline:
            raise DownloadError(
                f"cannot read {source}: HF_HUB_OFFLINE is set", hint="unset HF_HUB_OFFLINE"
            )
        import huggingface_hub

        token = self._token or huggingface_hub.get_token() or ""
        with _hub_errors(source):
            info = huggingface_hub.HfApi(endpoint=self._endpoint).model_info(
                source.repo,
                revision=source.revision or None,
                files_metadata=True,
                token=token or False,
            )
        if info.gated and not token:  # anybody may look at the list of files, nobody at a file
            raise _gated(source)
        return info, token

    def _remote(
        self, source: HubSource, file: "RepoSibling", commit: str | None, token: str
    ) -> Remote:
        import huggingface_hub

        return Remote(
            url=huggingface_hub.hf_hub_url(
                source.repo, file.rfilename, revision=commit, endpoint=self._endpoint
            ),
            file_name=file.rfilename.rpartition("/")[2],
            digest=file.lfs.sha256 if file.lfs else "",
            size_bytes=file.size,
            headers={"Authorization": f"Bearer {token}"} if token else {},
        )


def _choose(source: HubSource, files: Mapping[str, Remote]) -> str:
    """Return the name of the file that *source* means."""
    models = [name for name in files if name.endswith(".gguf")]
    names = [source.file] if source.file else _with_quant(source.quant, models)
    if len(names) != 1 or names[0] not in models:
        raise DownloadError(
            f"{source.repo} has {'several files' if len(names) > 1 else 'no file'} for {source}",
            hint=f"Name one: hf:{source.repo}/FILE",
            details="\n".join(sorted(names if len(names) > 1 else models)[:20]),
        )
    if split := _SPLIT.search(names[0]):
        raise UsageError(
            f"{source} is split into {int(split[1])} files; Frontier stores single GGUF files",
            hint="Choose a smaller quantisation, or join the parts with llama-gguf-split --merge.",
        )
    return names[0]


def _with_quant(quant: str, names: Sequence[str]) -> list[str]:
    """Return the model files of that quantisation; a split one counts as its first part."""
    ends = re.compile(rf"(^|[-._/]){re.escape(quant)}(-00001-of-\d{{5}})?\.gguf$", re.IGNORECASE)
    return [n for n in names if ends.search(n) and "mmproj" not in n.lower()]


def _absent(source: HubSource) -> DownloadError:
    return DownloadError(
        f"the hub has no {source.repo}{'@' + source.revision if source.revision else ''}"
        " that this token may see",
        hint="Check the spelling; for a private or gated repository set HF_TOKEN.",
    )


def _gated(source: HubSource) -> DownloadError:
    return DownloadError(
        f"{source.repo} is gated: the hub wants a token whose owner has accepted its licence",
        hint=f"Accept it at https://huggingface.co/{source.repo}, make a token at "
        "https://huggingface.co/settings/tokens, then: frontier config set HF_TOKEN hf_...",
    )


@contextlib.contextmanager
def _hub_errors(source: HubSource) -> Generator[None, None, None]:
    import httpx2
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise _gated(source) from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        raise _absent(source) from error
    except (errors.HfHubHTTPError, errors.OfflineModeIsEnabled, httpx2.HTTPError) as error:
        if getattr(getattr(error, "response", None), "status_code", 0) == _NOT_FOUND:
            raise _absent(source) from error  # a mirror without the hub's own error codes
        raise DownloadError(
            f"the hub does not answer for {source}: {_first_line(error)}",
            hint="Check the network, HTTPS_PROXY and HF_ENDPOINT, then try again.",
        ) from error
    except errors.HFValidationError as error:
        raise UsageError(f"{source}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return re.sub(r"https?://\S+", lambda url: public_url(url[0]), text.splitlines()[0])

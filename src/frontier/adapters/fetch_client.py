"""The HTTP client that models come through: safe addresses, credentials, failures in words."""

import contextlib
import netrc
import ssl
from collections.abc import Collection, Generator
from functools import partial
from pathlib import Path

import httpx2

from frontier import __version__
from frontier.domain.errors import ConfigError, DownloadError, FrontierError
from frontier.domain.source import is_loopback, public_url

_TIMEOUT = httpx2.Timeout(connect=10.0, read=60.0, write=60.0, pool=60.0)
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})


class TransientError(Exception):
    """Worth another attempt.

    Args:
        cause: What to report when there are no attempts left.
        pause_s: What the server asked for, None if nothing.
    """

    def __init__(self, cause: FrontierError, pause_s: float | None = None) -> None:
        super().__init__(cause.message)
        self.cause, self.pause_s = cause, pause_s


def open_client(
    *, ca_file: str = "", netrc_file: Path | None = None, trusted_hosts: Collection[str] = ()
) -> httpx2.Client:
    """Return a client that follows redirects and takes proxies from the environment.

    Args:
        ca_file: File or folder of certificates trusted besides those of the system, "" for none.
        netrc_file: Names and passwords by host.
        trusted_hosts: Hosts that may be asked without TLS.

    Raises:
        ConfigError: the certificates cannot be read, or a proxy variable is malformed.
    """
    try:
        return httpx2.Client(
            verify=_certificates(ca_file) if ca_file else True,
            auth=_Credentials(netrc_file),
            headers={"User-Agent": f"frontier/{__version__}", "Accept-Encoding": "identity"},
            timeout=_TIMEOUT,
            # Pages and files mostly come from different hosts: nothing is gained by keeping
            # connections, and without them nobody has to close the client.
            limits=httpx2.Limits(max_keepalive_connections=0),
            follow_redirects=True,
            event_hooks={"request": [partial(_require_safe, trusted_hosts)]},
        )
    except (ValueError, ImportError) as error:
        raise ConfigError(
            f"the proxy of the environment cannot be used: {error}",
            hint="Check HTTP_PROXY, HTTPS_PROXY, ALL_PROXY.",
        ) from error


def _require_safe(trusted_hosts: Collection[str], request: httpx2.Request) -> None:
    url = str(request.url)
    host = request.url.host
    names = {host, f"{host}:{request.url.port}"}
    if request.url.scheme == "https" or is_loopback(url) or names & set(trusted_hosts):
        return
    raise DownloadError(
        f"refused to ask {public_url(url)} without TLS",
        hint=f"Use https, or trust it as pip does: PIP_TRUSTED_HOST={host}.",
    )


def _certificates(ca_file: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context()
        is_folder = Path(ca_file).is_dir()
        context.load_verify_locations(**{"capath" if is_folder else "cafile": ca_file})
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            f"cannot read the certificates {ca_file}: {error}",
            hint="Set PIP_CERT, or `cert` in pip.conf, to a file in PEM form.",
        ) from error
    return context


class _Credentials(httpx2.Auth):
    """Basic authentication from the address itself, else from the netrc file."""

    def __init__(self, netrc_file: Path | None) -> None:
        self._file = netrc_file

    def auth_flow(
        self, request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, None]:
        found = (request.url.username, request.url.password)
        if not any(found):
            found = self._known(request.url.host)
        if any(found) and "Authorization" not in request.headers:
            basic = httpx2.BasicAuth(*found)
            yield from basic.auth_flow(request)
        else:
            yield request

    def _known(self, host: str) -> tuple[str, str]:
        if self._file is None or not self._file.is_file():
            return "", ""
        try:
            found = netrc.netrc(self._file).authenticators(host)
        except (netrc.NetrcParseError, OSError) as error:
            raise ConfigError(f"cannot read {self._file}: {error}") from error
        return (found[0], found[2] or "") if found else ("", "")


@contextlib.contextmanager
def transport_errors(url: str) -> Generator[None, None, None]:
    """Turn what goes wrong below HTTP into DownloadError, or TransientError if it may pass.

    Raises:
        TransientError: no connection, a broken one, or a time-out.
        DownloadError: no further attempt would help.
    """
    shown = public_url(url)
    try:
        yield
    except httpx2.TransportError as error:
        failure = DownloadError(
            f"cannot read {shown}: {_words(error)}",
            hint="What came so far is kept: the same command goes on where it stopped.",
        )
        if _is_certificate(error):
            failure.hint = "Behind a proxy that inspects TLS? Set SSL_CERT_FILE to its certificate."
            raise failure from error
        if isinstance(error, httpx2.UnsupportedProtocol):
            raise failure from error
        raise TransientError(failure) from error
    except (httpx2.InvalidURL, httpx2.TooManyRedirects) as error:
        raise DownloadError(f"cannot read {shown}: {_words(error)}") from error


def require_success(response: httpx2.Response, url: str) -> None:
    """Raise for any answer but a success.

    Raises:
        TransientError: the server is busy or broken.
        DownloadError: absent, forbidden, or another refusal.
    """
    if response.is_success:
        return
    status = response.status_code
    if response.headers.get("X-Error-Code") == "GatedRepo":
        raise DownloadError(
            f"{public_url(url)} is gated: the token's owner has not accepted the licence",
            hint="Accept it on the model's page with the account of HF_TOKEN, then pull again.",
        )
    failure = DownloadError(
        f"{public_url(url)} answers {status} {response.reason_phrase}".rstrip(),
        hint=_hint(status),
    )
    if status in _TRANSIENT:
        raise TransientError(failure, _retry_after_s(response))
    raise failure


def _hint(status: int) -> str:
    if status in (401, 403):
        return "Credentials: in the address or ~/.netrc for an index, HF_TOKEN for the hub."
    if status in (404, 410):
        return "Check the name; `frontier models available` lists what can be had."
    return "What came so far is kept: the same command goes on where it stopped."


def _retry_after_s(response: httpx2.Response) -> float | None:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else None


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def _is_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False

"""Asks a Sigstore instance's TUF repository what to believe, and says plainly why it cannot.

The client's own rules (who signs, which version, until when) are python-tuf's; what the answers
mean is not known here. https://theupdateframework.github.io/specification/latest/
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import platformdirs
from securesystemslib.exceptions import StorageError
from tuf.api.exceptions import (
    DownloadError,
    DownloadHTTPError,
    ExpiredMetadataError,
    RepositoryError,
    SlowRetrievalError,
    UnsignedMetadataError,
)
from tuf.ngclient.updater import Updater
from urllib3.exceptions import HTTPError, MaxRetryError, NameResolutionError, SSLError

from release_tool.core.errors import InputError, ReleaseToolError, TryAgain
from release_tool.core.files import reason, temporary_directory, writable
from release_tool.core.patience import Away
from release_tool.core.progress import SILENT, Progress

WITHOUT_NETWORK = "to verify without a network use --offline, or --trusted-root FILE"


@dataclass(frozen=True, slots=True)
class TufRepository:
    """A TUF repository and the root that we have for it; `name` is for people.

    `installed` are targets that came with the root, by name: what is still current of them is not
    downloaded.
    """

    name: str
    url: str
    root: bytes
    installed: tuple[tuple[str, bytes], ...] = ()

    @property
    def host(self) -> str:
        """Who is asked."""
        return urlsplit(self.url).hostname or self.url


def fetch_targets(
    repository: TufRepository, names: tuple[str, ...], *, progress: Progress = SILENT
) -> dict[str, bytes]:
    """Return the repository's targets of these names, as they are signed now.

    What was seen before is kept in the user's cache, where sigstore-python keeps it as well, so
    that a repository cannot be put back to an earlier state. Where that directory cannot be used a
    temporary one is, and the caller is told. Raises `InputError` for a repository that is not
    signed as it should be, `TryAgain` for one that cannot be reached or is out of date.
    """
    try:
        with kept_directories(repository) as (metadata, targets):
            return read_targets(repository, names, metadata, targets)
    except (OSError, StorageError) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        progress.note(f"the cache of {repository.host} cannot be used ({why}); a temporary one is")
    with temporary_directory() as place, writable(place):
        return read_targets(repository, names, place / "metadata", place / "targets")


@contextmanager
def kept_directories(repository: TufRepository) -> Iterator[tuple[Path, Path]]:
    """Yield the user's directories for metadata and targets; raises `OSError` at once."""
    base = quote(repository.url, safe="")
    metadata = platformdirs.user_data_path("sigstore-python", "sigstore") / "tuf" / base
    targets = platformdirs.user_cache_path("sigstore-python", "sigstore") / "tuf" / base
    for directory in (metadata, targets):
        directory.mkdir(parents=True, exist_ok=True)
        if not os.access(directory, os.W_OK | os.X_OK):
            raise PermissionError(13, "permission denied", str(directory))
    yield metadata, targets


def read_targets(
    repository: TufRepository, names: tuple[str, ...], metadata: Path, targets: Path
) -> dict[str, bytes]:
    """Bring the metadata up to date, then read each target by it."""
    for directory in (metadata, targets):
        directory.mkdir(parents=True, exist_ok=True)
    for name, content in repository.installed:
        if not (targets / name).exists():
            (targets / name).write_bytes(content)
    try:
        client = Updater(
            str(metadata),
            repository.url,
            str(targets),
            f"{repository.url}/targets/",
            bootstrap=repository.root,
        )
        client.refresh()
        return {name: read_target(client, repository, name) for name in names}
    except (RepositoryError, DownloadError, HTTPError) as error:
        raise explain(repository, error) from error


def read_target(client: Updater, repository: TufRepository, name: str) -> bytes:
    """Read one target, from the cache if it is the current one."""
    found = client.get_targetinfo(name)
    if found is None:
        raise InputError(f"Sigstore's {repository.name} instance has no {name}")
    content = Path(client.find_cached_target(found) or client.download_target(found)).read_bytes()
    found.verify_length_and_hashes(content)
    return content


def explain(repository: TufRepository, error: Exception) -> ReleaseToolError:
    """Say what kept the repository from answering, who must act, and how to go on meanwhile."""
    cause = cause_of(error)
    text, host = first_line(cause), repository.host
    what = f"cannot refresh the trusted root of Sigstore's {repository.name} instance"
    match cause:
        case UnsignedMetadataError():
            return InputError(
                f"{what}: {host} answers with metadata that too few of its keys signed: {text}",
                hint="do not believe it; something in between may answer in its place",
            )
        case ExpiredMetadataError():
            why = f"its metadata has expired: {text}"
            hint = "look whether the clock here is right; else it is for the repository to renew"
        case RepositoryError():
            why = f"{host} answers with metadata that does not hold: {text}"
            hint = "a proxy or a login page may answer in its place; else try again"
        case NameResolutionError():
            why = f"the name {host} cannot be resolved (DNS)"
            hint = f"look after the network, or HTTPS_PROXY; {WITHOUT_NETWORK}"
        case SSLError():
            why = f"TLS with {host} failed: {text}"
            hint = f"name the certificates of a proxy by SSL_CERT_FILE; {WITHOUT_NETWORK}"
        case SlowRetrievalError():
            return Away(f"{what}: {host} does not answer in time", hint=WITHOUT_NETWORK)
        case DownloadHTTPError(status_code=status) if status >= 500 or status == 429:
            return Away(f"{what}: {host} answers with status {status}", hint=WITHOUT_NETWORK)
        case DownloadHTTPError():
            why, hint = f"{host} answers with status {cause.status_code}", WITHOUT_NETWORK
        case _:
            return Away(f"{what}: {host} cannot be reached: {text}", hint=WITHOUT_NETWORK)
    return TryAgain(f"{what}: {why}", hint=hint)


def cause_of(error: BaseException) -> BaseException:
    """Find what the network library met, beneath what the TUF client made of it."""
    beneath: BaseException | None = error
    while beneath is not None:
        if isinstance(beneath, MaxRetryError) and beneath.reason is not None:
            return beneath.reason
        beneath = beneath.__cause__
    return error


def first_line(error: BaseException) -> str:
    """Return what an error of a library says, cut to one line."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__

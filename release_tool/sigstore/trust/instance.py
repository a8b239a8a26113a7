"""Which Sigstore is meant: production, staging, or the one that a file describes.

Reads trusted roots and signing configurations; judging a signature by them happens in `verify`.
"""

from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from release_tool.core.documents import encode_json, parse_json_object
from release_tool.core.errors import InputError
from release_tool.core.files import read_limited
from release_tool.core.progress import SILENT, Progress

TRUST_FILE_LIMIT_BYTES = 4 * 1024 * 1024
MAX_ROOTS = 16
TRUSTED_ROOT_TYPE = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
TRUSTED_ROOT_TYPES = (
    TRUSTED_ROOT_TYPE,
    "application/vnd.dev.sigstore.trustedroot.v0.1+json",
    "application/vnd.dev.sigstore.trustedroot.v0.2+json",
)
"""What is read; version 0.2 adds fields and changes none."""

TRUST_CONFIG_TYPE = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"
TRUSTED_ROOT = "trusted_root.json"
SIGNING_CONFIG = "signing_config.v0.2.json"
TUF_REPOSITORIES = {
    "production": "https://tuf-repo-cdn.sigstore.dev",
    "staging": "https://tuf-repo-cdn.sigstage.dev",
}


@dataclass(frozen=True, slots=True)
class TrustedRoot:
    """What a verifier believes: the JSON of a Sigstore trusted root, and where it came from.

    `content` may hold several roots, one a line. One that is `installed` came with a package, and
    may be older than what it is asked to judge.
    """

    content: bytes
    source: str
    installed: bool = False

    @property
    def documents(self) -> tuple[bytes, ...]:
        """Each root's own JSON."""
        return split_roots(self.content, self.source)


@dataclass(frozen=True, slots=True)
class SigstoreInstance:
    """The services that a signer talks to and the root that its verifiers believe.

    `trust_config` is the JSON of a Sigstore ClientTrustConfig v0.1.
    """

    trust_config: bytes
    source: str

    @property
    def trusted_root(self) -> TrustedRoot:
        """The trusted root inside the client trust config."""
        return trusted_root_of(self.trust_config, self.source)


def open_instance(source: str, *, progress: Progress = SILENT) -> SigstoreInstance:
    """Return `production` or `staging` by way of TUF, or the client trust config in a file.

    Raises `InputError` for a file that is none, and as `fetch_targets` does.
    """
    if source in TUF_REPOSITORIES:
        fetched = fetch_documents(source, (TRUSTED_ROOT, SIGNING_CONFIG), progress)
        document = {
            "mediaType": TRUST_CONFIG_TYPE,
            "trustedRoot": parse_json_object(fetched[TRUSTED_ROOT], source),
            "signingConfig": parse_json_object(fetched[SIGNING_CONFIG], source),
        }
        return SigstoreInstance(encode_json(document), source)
    content = read_limited(Path(source), TRUST_FILE_LIMIT_BYTES)
    trusted_root_of(content, source)
    return SigstoreInstance(content, source)


def open_trusted_root(
    source: str | Path, *, offline: bool, progress: Progress = SILENT
) -> TrustedRoot:
    """Return the trusted root of `production` or `staging`, or the one in a file.

    A file is a trusted root, several of them, one a line, or a client trust config. Offline, the
    named ones are those that the installed sigstore package carries: nothing is read from a cache
    and nothing from the network.
    Raises `InputError` for a file that is no trusted root, and as `fetch_targets` does.
    """
    if source not in TUF_REPOSITORIES:
        content = read_limited(Path(source), TRUST_FILE_LIMIT_BYTES)
        return trusted_root_of(content, str(source))
    name = str(source)
    if offline:
        return TrustedRoot(installed(name, TRUSTED_ROOT), f"{name}, as installed", installed=True)
    content = fetch_documents(name, (TRUSTED_ROOT,), progress)[TRUSTED_ROOT]
    return trusted_root_of(content, f"{name}, by TUF")


def trusted_root_of(content: bytes, source: str) -> TrustedRoot:
    """Recognise a trusted root, or take it out of a client trust config."""
    documents = [parse_json_object(each, source) for each in split_roots(content, source)]
    if all(document.get("mediaType") in TRUSTED_ROOT_TYPES for document in documents):
        return TrustedRoot(content, source)
    media_type, inner = documents[0].get("mediaType"), documents[0].get("trustedRoot")
    if len(documents) == 1 and media_type == TRUST_CONFIG_TYPE and isinstance(inner, dict):
        return trusted_root_of(encode_json(inner), source)
    raise InputError(
        f"{source} is neither a Sigstore trusted root nor a client trust config",
        hint=f"its mediaType should be {TRUSTED_ROOT_TYPE} or {TRUST_CONFIG_TYPE}",
    )


def split_roots(content: bytes, source: str) -> tuple[bytes, ...]:
    """Take JSON lines apart, which begin with a line that is a document of its own.

    So `gh attestation trusted-root` prints the roots that it knows. Raises `InputError` for more
    lines than anybody has roots.
    """
    lines = tuple(line for line in content.split(b"\n") if line.strip())
    if len(lines) < 2 or not is_document(lines[0]):
        return (content,)
    if len(lines) > MAX_ROOTS:
        raise InputError(f"{source} holds {len(lines)} trusted roots, more than {MAX_ROOTS}")
    return lines


def is_document(line: bytes) -> bool:
    """Tell whether a line is a JSON object of its own, and not the beginning of a longer one."""
    with suppress(InputError):
        return bool(parse_json_object(line, "the line"))
    return False


def installed(name: str, document: str) -> bytes:
    """Read what the installed sigstore package carries for an instance."""
    store = files("sigstore._store") / quote(TUF_REPOSITORIES[name], safe="")
    return (store / document).read_bytes()


def fetch_documents(name: str, wanted: tuple[str, ...], progress: Progress) -> dict[str, bytes]:
    """Ask the instance's TUF repository, which is held against the root that is installed."""
    from release_tool.sigstore.trust.repository import (  # noqa: PLC0415  (loads an HTTP client)
        TufRepository,
        fetch_targets,
    )

    carried = tuple((document, installed(name, document)) for document in wanted)
    root = installed(name, "root.json")
    repository = TufRepository(name, TUF_REPOSITORIES[name], root, carried)
    return fetch_targets(repository, wanted, progress=progress)

"""Which Sigstore is meant: production, staging, or the one that a file describes.

Reads trusted roots and signing configurations; judging a signature by them happens in `verify`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from release_tool.core.documents import encode_json, parse_json_object
from release_tool.core.errors import InputError, TryAgain
from release_tool.core.files import read_limited

if TYPE_CHECKING:
    from sigstore.models import ClientTrustConfig

TRUST_FILE_LIMIT_BYTES = 4 * 1024 * 1024
TRUSTED_ROOT_TYPE = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
TRUST_CONFIG_TYPE = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"
TUF_REPOSITORIES = {
    "production": "https://tuf-repo-cdn.sigstore.dev",
    "staging": "https://tuf-repo-cdn.sigstage.dev",
}


@dataclass(frozen=True, slots=True)
class TrustedRoot:
    """What a verifier believes: the JSON of a Sigstore trusted root, and where it came from."""

    content: bytes
    source: str


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


def open_instance(source: str) -> SigstoreInstance:
    """Return `production` or `staging` by way of TUF, or the client trust config in a file.

    Raises `InputError` for a file that is none, and `TryAgain` where TUF cannot be reached.
    """
    if source in TUF_REPOSITORIES:
        config = fetch_trust_config(source)
        return SigstoreInstance(config._inner.to_json().encode(), source)  # noqa: SLF001
    content = read_limited(Path(source), TRUST_FILE_LIMIT_BYTES)
    trusted_root_of(content, source)
    return SigstoreInstance(content, source)


def open_trusted_root(source: str | Path, *, offline: bool) -> TrustedRoot:
    """Return the trusted root of `production` or `staging`, or the one in a file.

    A file is a trusted root or a client trust config. Offline, the named ones are those that the
    installed sigstore package carries: nothing is read from a cache and nothing from the network.
    Raises `InputError` for a file that is no trusted root, `TryAgain` where TUF cannot be reached.
    """
    if source not in TUF_REPOSITORIES:
        content = read_limited(Path(source), TRUST_FILE_LIMIT_BYTES)
        return trusted_root_of(content, str(source))
    name = str(source)
    if offline:
        store = files("sigstore._store") / quote(TUF_REPOSITORIES[name], safe="")
        content = (store / "trusted_root.json").read_bytes()
        return trusted_root_of(content, f"{name}, as installed")
    root = fetch_trust_config(name).trusted_root
    return trusted_root_of(root._inner.to_json().encode(), f"{name}, by TUF")  # noqa: SLF001


def trusted_root_of(content: bytes, source: str) -> TrustedRoot:
    """Recognise a trusted root, or take it out of a client trust config."""
    document = parse_json_object(content, source)
    media_type = document.get("mediaType")
    if media_type == TRUSTED_ROOT_TYPE:
        return TrustedRoot(content, source)
    inner = document.get("trustedRoot")
    if media_type == TRUST_CONFIG_TYPE and isinstance(inner, dict):
        return trusted_root_of(encode_json(inner), source)
    raise InputError(
        f"{source} is neither a Sigstore trusted root nor a client trust config",
        hint=f"its mediaType should be {TRUSTED_ROOT_TYPE} or {TRUST_CONFIG_TYPE}",
    )


def fetch_trust_config(name: str) -> "ClientTrustConfig":
    """Ask the instance's TUF repository, which checks what it answers against a pinned root."""
    from sigstore.errors import Error  # noqa: PLC0415  (kept off the path of --help)
    from sigstore.models import ClientTrustConfig  # noqa: PLC0415

    fetchers: dict[str, Callable[[], ClientTrustConfig]] = {
        "production": ClientTrustConfig.production,
        "staging": ClientTrustConfig.staging,
    }
    try:
        return fetchers[name]()
    except (Error, OSError) as error:
        raise TryAgain(
            f"cannot refresh the trusted root of Sigstore's {name} instance: {first_line(error)}",
            hint="to verify without a network use --offline, or --trusted-root FILE",
        ) from error


def first_line(error: Exception) -> str:
    """Return what an error of a library says, cut to one line."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__

"""What the user gave on the command line, in its words, each group of options as one value.

Declaring the options is for `options`, what they mean for `belief`.
"""

from dataclasses import dataclass
from pathlib import Path

from release_tool.cli.configuration import Configuration
from release_tool.core.digest import PREFIX, Sha256
from release_tool.core.errors import InputError, UsageError

DEFAULT_INSTANCE = "production"


@dataclass(frozen=True, slots=True)
class SignerOptions:
    """Whom the user expects to have signed, in the words of the command line."""

    repo: str | None
    workflow: str | None
    ref: str | None
    cert_identity: str | None
    cert_oidc_issuer: str | None
    owner_id: str | None
    repo_id: str | None
    commit: str | None
    trigger: str | None
    runner: str | None


@dataclass(frozen=True, slots=True)
class TrustOptions:
    """What the user believes."""

    sigstore: str | None
    trusted_root: Path | None
    offline: bool


@dataclass(frozen=True, slots=True)
class EvidenceOptions:
    """Where a verdict's evidence is, and what it must prove beside a signature."""

    bundle: Path | None
    origin: str | None
    require: tuple[str, ...]
    checkpoint: Path | None
    upstream_dir: Path | None
    unpinned_checkpoint: bool
    reproduced_by: tuple[str, ...] = ()
    reproductions: tuple[Path, ...] = ()
    reproductions_from: str | None = None


@dataclass(frozen=True, slots=True)
class SigningOptions:
    """With which Sigstore to sign, and as whom."""

    sigstore: str | None
    identity_token: str | None
    other_publisher: bool = False
    public_log: bool = False
    patience: float = 0.0

    def discloses(self, configuration: Configuration) -> bool:
        """Tell whether a private repository's name may stand in a public log."""
        return self.public_log or bool(configuration.public_log)

    def source(self, configuration: Configuration) -> str:
        """Return the name or the file of the instance."""
        return self.sigstore or configuration.sigstore or DEFAULT_INSTANCE


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """Where the sources of an export are; what is not given is fetched by its pins."""

    upstream_dir: Path | None
    checkpoint: Path | None
    cache: Path | None
    offline: bool = False

    @property
    def given(self) -> bool:
        """Tell whether one of the sources was named."""
        return self.upstream_dir is not None or self.checkpoint is not None


@dataclass(frozen=True, slots=True)
class DestinationOptions:
    """Where a release goes, beside the repository."""

    tag: str | None
    target: str | None = None


def parse_digest(model: str) -> Sha256 | None:
    """Read `sha256:<hex>`; None for a path. Raises `UsageError` for a malformed digest."""
    if not model.startswith(PREFIX):
        return None
    try:
        return Sha256.parse(model)
    except InputError as error:
        raise UsageError(str(error)) from error

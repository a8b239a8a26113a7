"""A signed release in a directory: its files, its evidence and the verdict on them."""

from dataclasses import dataclass
from pathlib import Path

from release_tool.core.artifact import Artifact
from release_tool.core.errors import CannotVerify, NotVerified
from release_tool.provenance.exported import open_exported
from release_tool.provenance.manifest import Manifest
from release_tool.provenance.pins import require_pinned
from release_tool.recipes.recipe import Recipe
from release_tool.sigstore.trust.instance import TrustedRoot
from release_tool.sigstore.trust.signer import ExpectedSigner
from release_tool.verify.evidence import Evidence, open_evidence
from release_tool.verify.release import VerifiedRelease
from release_tool.verify.verdict import verify_release


@dataclass(frozen=True, slots=True)
class SignedRelease:
    """A directory whose every file is what its manifest says and what was signed."""

    directory: Path
    manifest: Manifest
    evidence: Evidence
    verified: VerifiedRelease

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """The files as they were verified."""
        return tuple(
            Artifact(file.name, file.size or 0, file.digest) for file in self.verified.artifacts
        )

    @property
    def files(self) -> dict[str, Path]:
        """Where each of them lies."""
        return {artifact.name: self.directory / artifact.name for artifact in self.artifacts}


def find_signed(
    directory: Path, recipe: Recipe, signer: ExpectedSigner, root: TrustedRoot
) -> VerifiedRelease | None:
    """Return the verdict on bundles that are there already, or None where they do not hold."""
    try:
        return verify_release(open_evidence(directory, recipe), signer, root)
    except (CannotVerify, NotVerified):
        return None


def open_signed(
    directory: Path,
    recipe: Recipe,
    signer: ExpectedSigner,
    root: TrustedRoot,
    *,
    unpinned: bool = False,
) -> SignedRelease:
    """Open a signed release as a consumer would; refuse what was changed, or mixes two versions.

    What the recipe does not pin is refused too, but for what is said to be `unpinned`.
    """
    manifest = open_exported(directory, recipe).manifest
    require_pinned(manifest, recipe, unpinned=unpinned)
    evidence = open_evidence(directory, recipe)
    return SignedRelease(directory, manifest, evidence, verify_release(evidence, signer, root))

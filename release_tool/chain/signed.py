"""A signed release in a directory: its files, its evidence and the verdict on them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from release_tool.core.artifact import Content
from release_tool.core.errors import CannotVerify, NotVerified
from release_tool.provenance.exported import ExportedRelease, open_exported
from release_tool.provenance.manifest import Manifest
from release_tool.provenance.pins import require_pinned
from release_tool.recipes import layout
from release_tool.recipes.recipe import Recipe
from release_tool.sigstore.trust.instance import TrustedRoot
from release_tool.sigstore.trust.signer import ExpectedSigner
from release_tool.verify.evidence import Evidence, Sidecars, exists, read_evidence
from release_tool.verify.locate import find_model
from release_tool.verify.release import VerifiedRelease
from release_tool.verify.verdict import verify_release


@dataclass(frozen=True, slots=True)
class SignedRelease:
    """A directory whose every file is what its manifest says and what was signed."""

    exported: ExportedRelease
    evidence: Evidence
    verified: VerifiedRelease

    @property
    def manifest(self) -> Manifest:
        """The manifest."""
        return self.exported.manifest

    @property
    def files(self) -> dict[str, Path]:
        """Where each of the files lies that were verified."""
        return {file.name: self.exported.directory / file.name for file in self.verified.described}


def verify_signed(
    exported: ExportedRelease,
    recipe: Recipe,
    signatures: Mapping[str, Content],
    signer: ExpectedSigner,
    root: TrustedRoot,
) -> SignedRelease:
    """Verify the files of an export by their signatures, which are given by role.

    As the verdict on the directory, without reading again what was opened or made before.
    """
    model, names = exported.model, recipe.names
    beside = {row.role: row.name_in(names) for row in layout.beside_the_model()}
    files = {
        role: exported.contents[name] for role, name in beside.items() if name in exported.contents
    }
    files |= {role: content for role, content in signatures.items() if role in beside}
    evidence = Evidence(
        name=model.name,
        digest=model.digest,
        size=model.size,
        path=find_model(exported.directory, names),
        bundle=signatures[layout.BUNDLE.role],
        sidecars=Sidecars(recipe, files, whole=True),
        recipe=recipe,
    )
    return SignedRelease(exported, evidence, verify_release(evidence, signer, root))


def read_signatures(exported: ExportedRelease, recipe: Recipe) -> dict[str, Content]:
    """Read by role what signing made; raises `CannotVerify` where one is missing."""
    found = {}
    for row in layout.FILES:
        if row.made_by == "sign":
            path = exported.directory / row.name_in(recipe.names)
            if row.optional and not exists(path):
                continue
            if not exists(path):
                text = f"the release in {exported.directory} lacks its {row.role}, {path.name}"
                raise CannotVerify(text, hint="sign it with `release-tool sign`")
            found[row.role] = Content.of(read_evidence(path, row.limit_bytes))
    return found


def find_signed(
    exported: ExportedRelease, recipe: Recipe, signer: ExpectedSigner, root: TrustedRoot
) -> SignedRelease | None:
    """Return the verdict on bundles that are there already, or None where they do not hold."""
    try:
        return verify_signed(exported, recipe, read_signatures(exported, recipe), signer, root)
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
    exported = open_exported(directory, recipe)
    require_pinned(exported.manifest, recipe, unpinned=unpinned)
    return verify_signed(exported, recipe, read_signatures(exported, recipe), signer, root)

"""What GitHub itself attests of an immutable release, held against the files at hand.

Signed by GitHub's own Sigstore instance, so a trusted root has to name that one. Nobody demands
such an attestation: where there is none, or nobody to judge it by, the verdict stands without.
https://docs.github.com/en/code-security/supply-chain-security, immutable releases
"""

from collections.abc import Mapping
from dataclasses import dataclass

from release_tool.core.digest import Sha256
from release_tool.core.errors import CannotVerify, NotVerified
from release_tool.core.names import RepoSlug, Tag
from release_tool.provenance.statement import PAYLOAD_TYPE, Statement
from release_tool.recipes import layout
from release_tool.sigstore.check.bundle import Bundle, Envelope, parse_bundle
from release_tool.sigstore.check.certificate import build_chain, open_certificate
from release_tool.sigstore.check.claims import read_identity
from release_tool.sigstore.check.refusal import mismatch, reading
from release_tool.sigstore.check.root import Anchors, parse_roots
from release_tool.sigstore.check.signature import verify_signature
from release_tool.sigstore.trust.instance import TrustedRoot
from release_tool.sigstore.trust.signer import ExpectedService
from release_tool.verify.evidence import Evidence

PREDICATES = frozenset(f"https://in-toto.io/attestation/release/v0.{minor}" for minor in (1, 2))
SERVICE = ExpectedService("https://dotcom.releases.github.com")
UNKNOWN = (
    "attests the release, which is immutable; not checked, since the trusted root does not name "
    "GitHub's instance: see `gh attestation trusted-root`"
)


@dataclass(frozen=True, slots=True)
class AttestedRelease:
    """The release that an attestation should be about; any of the repository's without a tag."""

    repo: RepoSlug
    tag: Tag | None


def check_attestations(
    bundles: tuple[bytes, ...],
    release: AttestedRelease,
    files: Mapping[str, Sha256],
    root: TrustedRoot,
) -> str | None:
    """Refuse files that are not those which GitHub attests; say what was found, None for nothing.

    `files` maps names to digests. A file of a name that is attested must have that digest, one of
    another name the digest of some asset. Raises `NotVerified`, and `CannotVerify` for what GitHub
    signed and cannot be read.
    """
    said = None
    for content in bundles:
        try:
            bundle = parse_bundle(content, "GitHub's attestation")
            known = is_githubs(bundle)
        except (CannotVerify, NotVerified) as error:
            said = said or f"keeps an attestation of the release that cannot be read: {error}"
            continue
        if not known:
            continue
        roots = parse_roots(root)
        if not names_authority(bundle, roots):
            said = said or UNKNOWN
            continue
        signature = verify_signature(bundle, None, SERVICE, roots, lambda _number, _found: None)
        with reading("GitHub's attestation"):
            statement = Statement.parse(signature.payload or b"")
        if signature.payload_type != PAYLOAD_TYPE or statement.predicate_type not in PREDICATES:
            raise CannotVerify("GitHub's attestation is of a kind that cannot be judged here")
        if is_about(statement, release):
            check_files(statement, files)
            tag = statement.predicate["tag"]
            said = f"attests {release.repo}@{tag}, immutable since {signature.signed_at.date()}"
    return said


def is_githubs(bundle: Bundle) -> bool:
    """Tell whether a bundle claims to be GitHub's word of a release; nothing is verified yet."""
    if not isinstance(bundle.content, Envelope):
        return False
    return read_identity(open_certificate(bundle.certificate)) == SERVICE.identity


def names_authority(bundle: Bundle, roots: tuple[Anchors, ...]) -> bool:
    """Tell whether some trusted root names the authority that issued the certificate."""
    return any(
        build_chain(bundle.certificate, authority) is not None
        for anchors in roots
        for authority in anchors.authorities
    )


def is_about(statement: Statement, release: AttestedRelease) -> bool:
    """Tell whether an attestation is of that release, and not of another with the same file."""
    said = statement.predicate
    return str(said.get("repository")).lower() == str(release.repo).lower() and (
        release.tag is None or said.get("tag") == str(release.tag)
    )


def name_files(evidence: Evidence) -> dict[str, Sha256]:
    """Map the files of a downloaded release to their digests, by the names of its assets."""
    files, sidecars = {evidence.name: evidence.digest}, evidence.sidecars
    if sidecars is not None:
        if sidecars.recipe is not None:
            files |= {
                row.name_in(sidecars.recipe.names, evidence.name): sidecars.files[row.role].digest
                for row in layout.beside_the_model()
                if row.role in sidecars.files
            }
        if sidecars.bundle_listed:
            files[evidence.name + layout.BUNDLE_SUFFIX] = evidence.bundle.digest
    return files


def check_files(statement: Statement, files: Mapping[str, Sha256]) -> None:
    """Refuse files that the attested release does not have."""
    attested = {subject.name: subject.digest for subject in statement.subjects}
    for name, digest in files.items():
        expected = [attested[name]] if name in attested else list(attested.values())
        if digest not in expected:
            raise mismatch(
                f"digest of {name}",
                expected=f"{' or '.join(map(str, expected[:3]))}, by GitHub's own attestation",
                actual=digest,
                hint="the release is immutable: these are not the files that were published",
            )

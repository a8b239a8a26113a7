"""Whether another party has made a release again, and signed that it did.

Everything that a verdict checks of a signature is checked of this one too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from release_tool.core.errors import CannotVerify, NotVerified
from release_tool.provenance.reproduction import Reproduced, read_summary
from release_tool.provenance.statement import PAYLOAD_TYPE, Statement
from release_tool.recipes import layout
from release_tool.sigstore.check.bundle import Envelope, parse_bundle
from release_tool.sigstore.check.claims import Claims
from release_tool.sigstore.check.refusal import mismatch, reading
from release_tool.sigstore.check.root import parse_roots
from release_tool.sigstore.check.signature import VerifiedSignature, verify_signature
from release_tool.sigstore.trust.instance import TrustedRoot
from release_tool.sigstore.trust.signer import ExpectedSigner
from release_tool.verify.release import VerifiedRelease

MAKERS = {row.role for row in layout.FILES if row.made_by == "export"}


@dataclass(frozen=True, slots=True)
class VerifiedReproduction:
    """Who made the release again, and when that was signed (UTC)."""

    identity: str
    issuer: str
    signed_at: datetime


def find_reproduction(
    release: VerifiedRelease,
    summaries: Sequence[bytes],
    signer: ExpectedSigner,
    root: TrustedRoot,
) -> VerifiedReproduction:
    """Return the word of `signer` for a release, out of summaries of whoever.

    Raises `CannotVerify` where none is at hand, and the refusal of the last one where none holds.
    """
    refused: NotVerified | CannotVerify | None = None
    for content in summaries:
        try:
            return check_reproduction(release, content, signer, root)
        except (NotVerified, CannotVerify) as error:
            refused = error
    if refused is not None:
        raise refused
    raise CannotVerify(
        f"nothing says that {signer.identity} has reproduced it",
        hint="put its *.reproduced-by.*.sigstore.json beside the model, name it with "
        "--reproduction, or fetch it with --reproductions-from OWNER/NAME",
    )


def check_reproduction(
    release: VerifiedRelease, content: bytes, signer: ExpectedSigner, root: TrustedRoot
) -> VerifiedReproduction:
    """Verify one summary; raises `NotVerified`, or `CannotVerify` where it cannot be read."""
    # 1. A signed statement by the expected signer, by the same steps as any other.
    bundle = parse_bundle(content, "the reproduction's bundle")
    if not isinstance(bundle.content, Envelope):
        raise NotVerified("the reproduction's bundle signs a file, not a statement")
    signature = verify_signature(bundle, None, signer, parse_roots(root), lambda _step, _said: None)
    # 2. By somebody else than the publisher.
    check_independent(release, signature.claims)
    # 3. That says of these very files that they came out again.
    check_files(release, open_summary(signature))
    claims = signature.claims
    return VerifiedReproduction(claims.identity, claims.issuer, signature.signed_at)


def open_summary(signature: VerifiedSignature) -> Reproduced:
    """Read what was signed."""
    if signature.payload_type != PAYLOAD_TYPE:
        raise mismatch(
            "type of the signed payload", expected=PAYLOAD_TYPE, actual=signature.payload_type
        )
    with reading("the reproduction"):
        return read_summary(Statement.parse(signature.payload or b""))


def check_independent(release: VerifiedRelease, claims: Claims) -> None:
    """Refuse the publisher's own word: another repository, of another owner, has to give it."""
    publisher = release.signer
    if claims.identity == publisher.identity:
        raise NotVerified(f"{claims.identity} has published the release, and cannot vouch for it")
    owners = [(repo or "").rpartition("/")[0].lower() for repo in (claims.repo, publisher.repo)]
    if owners[0] and owners[0] == owners[1]:
        raise NotVerified(
            f"{claims.repo} and the publisher's {publisher.repo} have one owner",
            hint="a reproduction counts where another party has made it",
        )


def check_files(release: VerifiedRelease, said: Reproduced) -> None:
    """Refuse a summary that leaves out a file which an export makes, or knows another one."""
    for file in release.artifacts:
        if file.role not in MAKERS:
            continue
        # A consumer may have renamed the model; its digest is what counts.
        found = (
            file.digest in said.files.values()
            if file.role == layout.MODEL.role
            else said.files.get(file.name) == file.digest
        )
        if not found:
            raise mismatch(
                f"the reproduced {file.role}",
                expected=file.digest,
                actual=said.files.get(file.name),
                hint="the summary is of another release",
            )

"""Steps 1 to 9 for one bundle: from its bytes to who signed what, and when.

Knows files only by their digest; how the files of a release hang together is for `contents`.
https://github.com/sigstore/architecture-docs/blob/main/client-spec.md

The steps are carried out here on `cryptography` and `rfc3161_client`, the libraries beneath
sigstore-python, and not through sigstore-python itself: its verifier imports an HTTP client, TUF
and models of half the protocol (three quarters of the time of a whole run), opens a session to the
log, and passes things that must be refused here. The tests hold it against this module as an
oracle: what is accepted here, it accepts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding

from release_tool.core.digest import Sha256
from release_tool.core.errors import NotVerified
from release_tool.sigstore.check.bundle import FIRST_VERSION, Bundle, Envelope
from release_tool.sigstore.check.certificate import (
    Issuance,
    SigningCertificate,
    check_profile,
    find_issuances,
    open_certificate,
)
from release_tool.sigstore.check.claims import Claims, read_claims
from release_tool.sigstore.check.entry import check_entry
from release_tool.sigstore.check.log import check_inclusion, check_promise, find_log
from release_tool.sigstore.check.policy import check_policy
from release_tool.sigstore.check.refusal import mismatch
from release_tool.sigstore.check.root import Anchors, Log, Window, choose_listing
from release_tool.sigstore.check.sct import check_sct
from release_tool.sigstore.check.timestamps import Stamped, check_timestamps
from release_tool.sigstore.trust.signer import ExpectedSigner

Report = Callable[[int, str], None]

CURVE = "secp256r1"
EARLY_CURVE = "secp384r1"
"""What sigstore-python before 2.0 used with SHA-256, always in bundles of version 0.1."""


@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """A bundle that holds: what it says, of whom, and the earliest time (UTC) it was signed by.

    `payload` is the statement that was signed, or None where a file was; `dated_by` are the
    services that vouch for the time, by name.
    """

    claims: Claims
    signed_at: datetime
    log: Log
    log_index: int
    dated_by: frozenset[str]
    payload: bytes | None
    payload_type: str | None


def verify_signature(
    bundle: Bundle,
    digest: Sha256 | None,
    signer: ExpectedSigner,
    anchors: Anchors,
    report: Report,
) -> VerifiedSignature:
    """Climb steps 3 to 9 with a bundle; `report` is called with each step's number and finding.

    `digest` is of the signed file and unused for an envelope. Raises `NotVerified` and
    `CannotVerify`. Times come first, since every later step asks what held when it was signed.
    """
    certificate = open_certificate(bundle.certificate)
    log = find_log(bundle.entry, anchors)
    check_inclusion(bundle.entry, log)  # the first half of (5): it asks for no time
    stamps = check_timestamps(bundle.timestamps, bundle.content.signature, anchors)
    promised = check_promise(bundle.entry, log)
    times = signing_times(stamps, promised)
    log = choose_listing(log, anchors.logs, times)
    # (3) Who issued the certificate, and could it sign at those times?
    check_profile(certificate)
    check_curve(bundle, certificate)
    issuances = find_issuances(certificate, anchors, times)
    check_chain(bundle, anchors)
    report(3, f"issued by {issuances[0].authority.name}, valid when it was used")
    # (4) Was the certificate made public?
    ct_log, published = check_sct(certificate, issuances[0].issuer, anchors)
    ct_log = choose_listing(ct_log, anchors.ct_logs, (published, *times))
    report(4, f"recorded at {published.isoformat()}")
    # (5) The entry is in the log; is it about this signature?
    check_entry(bundle, certificate, signed_digest(bundle, digest))
    report(5, f"entry {bundle.entry.index} of {log.url or log.key_id.hex()}")
    # (6) Carried out above; said here, in the order of the ladder.
    report(6, describe_times(stamps, promised))
    # (7) Did the trusted root still believe each service at the time?
    check_windows(times, published, issuances, stamps, (log, ct_log))
    report(7, "log, CT log and authorities were valid at the time of signing")
    # (8) Did the certificate's key sign this?
    check_signature(bundle, certificate, digest)
    report(8, "made by the certificate's key")
    # (9) And is the signer the expected one?
    claims = read_claims(certificate)
    report(9, check_policy(claims, signer))
    envelope = bundle.content if isinstance(bundle.content, Envelope) else None
    return VerifiedSignature(
        claims=claims,
        signed_at=min(times),
        log=log,
        log_index=bundle.entry.index,
        dated_by=name_witnesses(stamps, log if promised else None),
        payload=None if envelope is None else envelope.payload,
        payload_type=None if envelope is None else envelope.payload_type,
    )


def signing_times(stamps: tuple[Stamped, ...], promised: datetime | None) -> tuple[datetime, ...]:
    """Return every time that was vouched for; at least one is needed."""
    times = (*(stamp.time for stamp in stamps), *(() if promised is None else (promised,)))
    if not times:
        raise NotVerified("nothing that is trusted says when the signature was made")
    return times


def name_witnesses(stamps: tuple[Stamped, ...], log: Log | None) -> frozenset[str]:
    """Name those who vouch for the time."""
    names = {f"the time-stamp authority {stamp.authority.name}" for stamp in stamps}
    return frozenset(names if log is None else {*names, f"the log {log.url}"})


def describe_times(stamps: tuple[Stamped, ...], promised: datetime | None) -> str:
    """Say who vouches for which time."""
    said = [f"{stamp.time.isoformat()} by {stamp.authority.name}" for stamp in stamps]
    if promised is not None:
        said.append(f"{promised.isoformat()} by the log")
    return "; ".join(said)


def check_chain(bundle: Bundle, anchors: Anchors) -> None:
    """Refuse an old bundle's extra certificates unless the trusted root has them as well.

    They are not needed and not used; but nothing signs them either, so they must not vary.
    """
    if not bundle.chain:
        return
    known = {
        certificate.public_bytes(Encoding.DER)
        for authority in anchors.authorities
        for certificate in authority.chain
    }
    if not known.issuperset(bundle.chain):
        raise NotVerified("the bundle carries a certificate that the trusted root does not have")


def signed_digest(bundle: Bundle, digest: Sha256 | None) -> Sha256:
    """Return the digest of what the signature covers."""
    if isinstance(bundle.content, Envelope):
        return Sha256.of_bytes(bundle.content.signed_bytes)
    if digest is None:
        raise NotVerified("the bundle signs a file, where a signed statement was expected")
    return digest


def check_windows(
    times: tuple[datetime, ...],
    published: datetime,
    issuances: tuple[Issuance, ...],
    stamps: tuple[Stamped, ...],
    logs: tuple[Log, Log],
) -> None:
    """Refuse what was done by a service outside the period that the trusted root gives it.

    A key that leaked after its retirement can sign anything, with any date of its own; the times
    are therefore held against every service's period, not only against that of who said them.
    """
    log, ct_log = logs
    for time in times:
        check_window("the transparency log", log.window, time)
        check_window("the CT log", ct_log.window, time)
    check_window("the CT log", ct_log.window, published)
    for stamp in stamps:
        check_window("the time-stamp authority", stamp.authority.window, stamp.time)
    for time in times:
        windows = [one.authority.window for one in issuances if one.valid_at(time)]
        if not any(window.holds(time) for window in windows):
            check_window("the certificate authority", windows[0], time)


def check_window(service: str, window: Window, time: datetime) -> None:
    """Refuse a time outside a service's period."""
    if not window.holds(time):
        raise mismatch(
            f"time at which {service} was used",
            expected=str(window),
            actual=time.isoformat(),
        )


def check_curve(bundle: Bundle, certificate: SigningCertificate) -> None:
    """Refuse a key on another curve than the one that Sigstore pairs with SHA-256."""
    curve = certificate.key.curve.name
    if curve != CURVE and (curve != EARLY_CURVE or bundle.media_type != FIRST_VERSION):
        raise mismatch("curve of the signer's key", expected=CURVE, actual=curve)


def check_signature(bundle: Bundle, certificate: SigningCertificate, digest: Sha256 | None) -> None:
    """Refuse a signature (ECDSA with SHA-256) that the certificate's key did not make."""
    algorithm = ec.ECDSA(Prehashed(hashes.SHA256()))
    covered = bytes.fromhex(signed_digest(bundle, digest).hex)
    try:
        certificate.key.verify(bundle.content.signature, covered, algorithm)
    except InvalidSignature as error:
        what = "the statement" if isinstance(bundle.content, Envelope) else f"the file {digest}"
        raise NotVerified(
            f"the signature over {what} was not made by the certificate's key"
        ) from error

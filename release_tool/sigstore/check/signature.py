"""Steps 1 to 9 for one bundle: from its bytes to who signed what, and when.

Knows files only by their digest; how the files of a release hang together is for `contents`.
https://github.com/sigstore/architecture-docs/blob/main/client-spec.md

The steps are carried out here on `cryptography` and `rfc3161_client`, the libraries beneath
sigstore-python, and not through sigstore-python itself: its verifier imports an HTTP client, TUF
and models of half the protocol (three quarters of the time of a whole run), opens a session to the
log, and passes things that must be refused here. The tests hold it against this module as an
oracle: what is accepted here, it accepts.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.serialization import Encoding

from release_tool.core.errors import CannotVerify, NotVerified
from release_tool.sigstore.check.bundle import FIRST_VERSION, Bundle, Envelope, LogEntry
from release_tool.sigstore.check.certificate import (
    Issuance,
    SigningCertificate,
    check_profile,
    find_issuances,
    open_certificate,
)
from release_tool.sigstore.check.choice import choose_root
from release_tool.sigstore.check.claims import Claims
from release_tool.sigstore.check.entry import Cover, check_entry
from release_tool.sigstore.check.log import check_inclusion, check_promise, find_log
from release_tool.sigstore.check.policy import check_signer
from release_tool.sigstore.check.refusal import mismatch
from release_tool.sigstore.check.root import Anchors, Log, Window, choose_listing
from release_tool.sigstore.check.sct import check_sct
from release_tool.sigstore.check.signing import Algorithm, algorithms_of
from release_tool.sigstore.check.timestamps import Stamped, check_timestamps
from release_tool.sigstore.trust.signer import ExpectedService, ExpectedSigner

Report = Callable[[int, str], None]
HashSigned = Callable[[str], bytes]
"""Gives the signed file's digest by an algorithm, named as in `hashlib`."""


@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """A bundle that holds: what it says, of whom, and the earliest time (UTC) it was signed by.

    `payload` is the statement that was signed, or None where a file was; `dated_by` are the
    services that vouch for the time, by name. Under a root that names no log there is no entry.
    """

    claims: Claims
    signed_at: datetime
    log: Log | None
    log_index: int | None
    dated_by: frozenset[str]
    payload: bytes | None
    payload_type: str | None


def verify_signature(
    bundle: Bundle,
    hash_signed: HashSigned | None,
    signer: ExpectedSigner | ExpectedService,
    roots: tuple[Anchors, ...],
    report: Report,
) -> VerifiedSignature:
    """Climb steps 3 to 9 with a bundle; `report` is called with each step's number and finding.

    `hash_signed` is of the signed file and unused for an envelope. Raises `NotVerified` and
    `CannotVerify`. Times come first, since every later step asks what held when it was signed.
    What one of `roots` names is demanded whole: log entries, CT logs, or else time stamps.
    """
    certificate = open_certificate(bundle.certificate)
    algorithms = algorithms_of(certificate.key, early=bundle.media_type == FIRST_VERSION)
    anchors = choose_root(certificate, roots)
    logged = find_entry(bundle, anchors)  # the first half of (5): it asks for no time
    stamps = check_timestamps(bundle.timestamps, bundle.content.signature, anchors)
    promised = None if logged is None else check_promise(*logged)
    times = signing_times(stamps, promised, bundle, anchors)
    # (3) Who issued the certificate, and could it sign at those times?
    check_profile(certificate)
    issuances = find_issuances(certificate, anchors, times)
    check_chain(bundle, anchors)
    report(3, f"issued by {issuances[0].authority.name}, valid when it was used")
    # (4) Was the certificate made public?
    report(4, check_publication(certificate, issuances[0], anchors, times))
    # (5) The entry is in the log; is it about this signature?
    cover = make_cover(bundle, hash_signed)
    if logged is None:
        report(5, "not asked: the trusted root names no log")
    else:
        entry, log = logged[0], choose_listing(logged[1], anchors.logs, times)
        algorithms = check_entry(bundle, entry, certificate, algorithms, cover)
        check_log_window("the transparency log", log, times)
        logged = entry, log
        report(5, f"entry {entry.index} of {log.url or log.key_id.hex()}")
    # (6) Carried out above; said here, in the order of the ladder.
    report(6, describe_times(stamps, promised, len(bundle.timestamps)))
    # (7) Did the trusted root still believe each service at the time?
    check_windows(times, issuances, stamps)
    report(7, "log, CT log and authorities were valid at the time of signing")
    # (8) Did the certificate's key sign this?
    check_signature(bundle, certificate, algorithms, cover)
    report(8, "made by the certificate's key")
    # (9) And is the signer the expected one?
    claims, compared = check_signer(certificate, signer)
    report(9, compared)
    envelope = bundle.content if isinstance(bundle.content, Envelope) else None
    return VerifiedSignature(
        claims=claims,
        signed_at=min(times),
        log=logged and logged[1],
        log_index=logged and logged[0].index,
        dated_by=name_witnesses(stamps, logged[1] if logged and promised else None),
        payload=None if envelope is None else envelope.payload,
        payload_type=None if envelope is None else envelope.payload_type,
    )


def check_publication(
    certificate: SigningCertificate,
    issuance: Issuance,
    anchors: Anchors,
    times: tuple[datetime, ...],
) -> str:
    """Refuse a certificate that no CT log recorded, where the root names one; say when it was."""
    if not anchors.ct_logs:
        return "not asked: the trusted root names no CT log"
    log, published = check_sct(certificate, issuance.issuer, anchors)
    log = choose_listing(log, anchors.ct_logs, (published, *times))
    check_log_window("the CT log", log, (published, *times))
    return f"recorded at {published.isoformat()}"


def find_entry(bundle: Bundle, anchors: Anchors) -> tuple[LogEntry, Log] | None:
    """Return the bundle's entry with its log, which it stands in; None where the root names none.

    An entry of a log that the root does not name is refused, whether it names others or none.
    """
    if bundle.entry is None:
        if anchors.logs:
            raise CannotVerify(
                "the bundle has no log entry, and the trusted root names a log: expected one",
                hint="a private repository's bundle is held against GitHub's own root: see "
                "`gh attestation trusted-root` and --trusted-root",
            )
        return None
    log = find_log(bundle.entry, anchors)
    check_inclusion(bundle.entry, log)
    return bundle.entry, log


def signing_times(
    stamps: tuple[Stamped, ...], promised: datetime | None, bundle: Bundle, anchors: Anchors
) -> tuple[datetime, ...]:
    """Return every time that was vouched for; at least one is needed."""
    times = (*(stamp.time for stamp in stamps), *(() if promised is None else (promised,)))
    if times:
        return times
    if not bundle.timestamps:
        raise NotVerified("nothing that is trusted says when the signature was made")
    raise anchors.unknown(
        "the authority of the time stamp",
        expected=", ".join(one.name for one in anchors.timestamp_authorities) or "none",
        actual="another one, whose word is nothing here",
    )


def name_witnesses(stamps: tuple[Stamped, ...], log: Log | None) -> frozenset[str]:
    """Name those who vouch for the time."""
    names = {f"the time-stamp authority {stamp.authority.name}" for stamp in stamps}
    return frozenset(names if log is None else {*names, f"the log {log.url}"})


def describe_times(stamps: tuple[Stamped, ...], promised: datetime | None, carried: int) -> str:
    """Say who vouches for which time, and how many stamps of the `carried` ones count nothing."""
    said = [f"{stamp.time.isoformat()} by {stamp.authority.name}" for stamp in stamps]
    if promised is not None:
        said.append(f"{promised.isoformat()} by the log")
    if carried > len(stamps):
        strange = carried - len(stamps)
        said.append(f"{strange} by an authority that the trusted root does not name, not counted")
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


def make_cover(bundle: Bundle, hash_signed: HashSigned | None) -> Cover:
    """Return what gives the digest that each way of signing covers, or the message itself."""
    content = bundle.content

    def cover(algorithm: Algorithm) -> bytes:
        if isinstance(content, Envelope):
            message = content.signed_bytes
            return hashlib.new(algorithm.hash, message).digest() if algorithm.hash else message
        if hash_signed is None:
            raise NotVerified("the bundle signs a file, where a signed statement was expected")
        if algorithm.hash is None:
            raise CannotVerify(
                f"signatures of files by keys of the kind {algorithm.details} cannot be judged "
                "here, only of statements"
            )
        return hash_signed(algorithm.hash)

    return cover


def check_windows(
    times: tuple[datetime, ...], issuances: tuple[Issuance, ...], stamps: tuple[Stamped, ...]
) -> None:
    """Refuse what an authority did outside the period that the trusted root gives it.

    A key that leaked after its retirement can sign anything, with any date of its own; the times
    are therefore held against every service's period, not only against that of who said them.
    """
    for stamp in stamps:
        check_window("the time-stamp authority", stamp.authority.window, stamp.time)
    for time in times:
        windows = [one.authority.window for one in issuances if one.valid_at(time)]
        if not any(window.holds(time) for window in windows):
            check_window("the certificate authority", windows[0], time)


def check_log_window(service: str, log: Log, times: tuple[datetime, ...]) -> None:
    """Refuse times outside the period that the trusted root gives a log."""
    for time in times:
        check_window(service, log.window, time)


def check_window(service: str, window: Window, time: datetime) -> None:
    """Refuse a time outside a service's period."""
    if not window.holds(time):
        raise mismatch(
            f"time at which {service} was used",
            expected=str(window),
            actual=time.isoformat(),
        )


def check_signature(
    bundle: Bundle,
    certificate: SigningCertificate,
    algorithms: tuple[Algorithm, ...],
    cover: Cover,
) -> None:
    """Refuse a signature that the certificate's key made in none of these ways."""
    signature = bundle.content.signature
    if not any(one.signed(certificate.key, signature, cover(one)) for one in algorithms):
        what = "the statement" if isinstance(bundle.content, Envelope) else "the file"
        raise NotVerified(f"the signature over {what} was not made by the certificate's key")

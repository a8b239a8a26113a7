"""Step 4: the signed certificate timestamp that proves the certificate was made public.

Checks the one that Fulcio embeds in a certificate; detached ones are not accepted.
RFC 6962 §3.2 and §3.3
"""

import struct
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.certificate_transparency import (
    LogEntryType,
    SignedCertificateTimestamp,
    Version,
)

from release_tool.core.errors import NotVerified
from release_tool.sigstore.check.certificate import SigningCertificate, extension
from release_tool.sigstore.check.refusal import mismatch, reading
from release_tool.sigstore.check.root import Anchors, Log

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=128)
def check_sct(
    certificate: SigningCertificate, issuer: x509.Certificate, anchors: Anchors
) -> tuple[Log, datetime]:
    """Return the CT log that recorded the certificate, and when; refuse where none did."""
    with reading("the signed certificate timestamp"):
        embedded = extension(certificate, x509.PrecertificateSignedCertificateTimestamps)
        stamps = list(embedded or ())
    if len(stamps) != 1:
        raise mismatch(
            "signed certificate timestamps in the certificate", expected="one", actual=len(stamps)
        )
    stamp = stamps[0]
    log = next((log for log in anchors.ct_logs if log.key_id == stamp.log_id), None)
    if log is None:
        known = ", ".join(log.key_id.hex() for log in anchors.ct_logs)
        raise anchors.unknown("the certificate's CT log", expected=known, actual=stamp.log_id.hex())
    with reading("the signed certificate timestamp"):
        time = stamp.timestamp.replace(tzinfo=UTC)
        message = signed_bytes(stamp, certificate.parsed, issuer, time)
        plain = (
            stamp.version is Version.v1
            and stamp.entry_type is LogEntryType.PRE_CERTIFICATE
            and isinstance(stamp.signature_hash_algorithm, hashes.SHA256)
        )
        signature = stamp.signature
    if not plain or not log.key.signed(signature, message):
        raise NotVerified(
            f"the signed certificate timestamp is not signed by the CT log {log.key_id.hex()}"
        )
    return log, time


def signed_bytes(
    stamp: SignedCertificateTimestamp,
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    time: datetime,
) -> bytes:
    """Put together what the CT log signed: the `digitally-signed` struct of RFC 6962 §3.2."""
    spki = issuer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    precertificate = certificate.tbs_precertificate_bytes
    return b"".join(
        (
            struct.pack("!BBQH", 0, 0, (time - EPOCH) // timedelta(milliseconds=1), 1),
            sha256(spki).digest(),
            len(precertificate).to_bytes(3, "big"),
            precertificate,
            len(stamp.extension_bytes).to_bytes(2, "big"),
            stamp.extension_bytes,
        )
    )

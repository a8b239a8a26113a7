"""Step 6: when the signature was made, by time-stamp authorities that the trusted root names.

A time stamp that claims one of these must verify, or the bundle is refused: one that may be broken
or left out at will protects nobody. Another authority's says nothing here, and is not counted. The
log's own promise is `log`'s. RFC 3161, RFC 5816
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import ExtensionPolicy
from rfc3161_client import MessageImprint, decode_timestamp_response

from release_tool.core.errors import CannotVerify, NotVerified
from release_tool.sigstore.check.certificate import find_path
from release_tool.sigstore.check.cms import SignedMessage
from release_tool.sigstore.check.refusal import reading
from release_tool.sigstore.check.root import Anchors, Authority

DIGESTS = {
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}


@dataclass(frozen=True, slots=True)
class Stamped:
    """A time (UTC) and the authority that signed it."""

    time: datetime
    authority: Authority


def check_timestamps(
    timestamps: tuple[bytes, ...], signature: bytes, anchors: Anchors
) -> tuple[Stamped, ...]:
    """Return the time that each stamp of a known authority gives the signature.

    Refuses if one of them does not verify. One authority stamps a signature once; a second stamp
    might be the first in other bytes.
    """
    found = (check_timestamp(stamp, signature, anchors) for stamp in timestamps)
    stamps = tuple(stamp for stamp in found if stamp is not None)
    if len({stamp.authority.chain[0] for stamp in stamps}) != len(stamps):
        raise NotVerified("the bundle has two time stamps of one authority")
    return stamps


def check_timestamp(der: bytes, signature: bytes, anchors: Anchors) -> Stamped | None:
    """Find the authority that signed this stamp over this signature; None for an unknown one.

    Where the root lists one authority twice, the listing that was valid at the time is meant.
    """
    message = SignedMessage.parse(der)
    with reading("a time stamp"):
        # The other half, the TSTInfo, is a library's to read; no byte of it is left unsigned.
        said = decode_timestamp_response(der).tst_info
        time, imprint, version = said.gen_time, said.message_imprint, said.version
    if version != 1:
        raise CannotVerify(f"time stamps of version {version} are unknown")
    signers = [
        authority
        for authority in anchors.timestamp_authorities
        if covers(imprint, signature) and stamped_by(message, time, authority)
    ]
    if not signers:
        if not any(message.claims(chain) for chain in known_chains(anchors)):
            return None
        names = ", ".join(authority.name for authority in anchors.timestamp_authorities)
        raise NotVerified(f"a time stamp is not over this signature, or not by any of {names}")
    valid = [authority for authority in signers if authority.window.holds(time)]
    return Stamped(time, (valid or signers)[0])


def known_chains(anchors: Anchors) -> tuple[tuple[x509.Certificate, ...], ...]:
    """List the certificates of each authority, the one that signs time stamps first."""
    return tuple(authority.chain for authority in anchors.timestamp_authorities)


def covers(imprint: MessageImprint, signature: bytes) -> bool:
    """Tell whether a stamp was given to this signature, by a digest that may be relied on."""
    name = DIGESTS.get(imprint.hash_algorithm.dotted_string)
    return name is not None and imprint.message == hashlib.new(name, signature).digest()


def stamped_by(message: SignedMessage, time: datetime, authority: Authority) -> bool:
    """Tell whether the authority's own certificate signed the message, valid at its time."""
    signer = open_signer(authority)
    if signer is None:
        return False
    leaf = signer.path[0]
    return (
        # Comparisons of names fold what is equal to a reader; bytes leave no room.
        message.issuer == signer.issuer
        and message.serial_number == leaf.serial_number
        and signer.encoded.issuperset(message.certificates)
        and all(one.not_valid_before_utc <= time <= one.not_valid_after_utc for one in signer.path)
        and message.signed_by(signer.der, signer.key)
    )


@dataclass(frozen=True, slots=True)
class StampSigner:
    """An authority's certificate and those above it; `encoded` is all that a token may carry."""

    der: bytes
    key: object
    path: tuple[x509.Certificate, ...]
    issuer: bytes
    encoded: frozenset[bytes]


def signs_only(leaf: x509.Certificate) -> bool:
    """Tell whether a certificate's key usage, where it has one, is to sign and not to certify."""
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return True
    signs = usage.digital_signature or usage.content_commitment
    return signs and not (usage.key_cert_sign or usage.crl_sign)


@lru_cache(maxsize=32)
def open_signer(authority: Authority) -> StampSigner | None:
    """Build the path from an authority's first certificate to its root, once for all its stamps.

    None where that certificate may not sign time stamps (RFC 3161 §2.3: this use alone, critical),
    or where no path leads up. The times at which they were valid are the caller's to compare.
    """
    if len(authority.chain) < 2:
        return None  # a chain needs a signer and a root that is not the signer
    leaf, *intermediates, root = authority.chain
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        return None
    if not usage.critical or list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        return None
    if not signs_only(leaf):
        return None
    # Certificates above may be younger than the leaf, when they were issued anew.
    moment = max(one.not_valid_before_utc for one in authority.chain)
    with reading("a time-stamp authority of the trusted root"):
        above = find_path(leaf, intermediates, root, ExtensionPolicy.permit_all(), moment)
    if above is None:
        return None
    encoded = [one.public_bytes(Encoding.DER) for one in authority.chain]
    return StampSigner(
        der=encoded[0],
        key=leaf.public_key(),
        path=(leaf, *above),
        issuer=leaf.issuer.public_bytes(),
        encoded=frozenset(encoded),
    )

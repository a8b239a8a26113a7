"""Step 6: when the signature was made, by time-stamp authorities that the trusted root names.

A time stamp that is there must verify, or the bundle is refused: one that may be broken or left
out at will protects nobody. The log's own promise is `log`'s. RFC 3161, RFC 5816
"""

from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.serialization import Encoding
from rfc3161_client import TimeStampResponse, VerifierBuilder, decode_timestamp_response
from rfc3161_client import VerificationError as TimestampError

from release_tool.core.errors import CannotVerify, NotVerified
from release_tool.verify.cms import read_signer
from release_tool.verify.refusal import reading
from release_tool.verify.root import Anchors, Authority


@dataclass(frozen=True, slots=True)
class Stamped:
    """A time (UTC) and the authority that signed it."""

    time: datetime
    authority: Authority


def check_timestamps(
    timestamps: tuple[bytes, ...], signature: bytes, anchors: Anchors
) -> tuple[Stamped, ...]:
    """Return the time that each stamp gives the signature; refuse if one does not verify."""
    if timestamps and not anchors.timestamp_authorities:
        raise NotVerified("the bundle has a time stamp, but the trusted root names no authority")
    return tuple(check_timestamp(stamp, signature, anchors) for stamp in timestamps)


def check_timestamp(der: bytes, signature: bytes, anchors: Anchors) -> Stamped:
    """Find the authority that signed this stamp over this signature.

    Where the root lists one authority twice, the listing that was valid at the time is meant.
    """
    with reading("a time stamp"):
        response = decode_timestamp_response(der)
        time = response.tst_info.gen_time
        embedded = frozenset(response.signed_data.certificates)
    issuer = read_signer(der)
    signers = [
        authority
        for authority in anchors.timestamp_authorities
        # Comparisons of names fold what is equal to a reader; bytes leave no room.
        if authority.chain[0].issuer.public_bytes() == issuer
        and embedded <= encoded_chain(authority)
        and signed_by(response, signature, authority)
    ]
    if not signers:
        names = ", ".join(authority.name for authority in anchors.timestamp_authorities)
        raise NotVerified(f"a time stamp is not over this signature, or not by any of {names}")
    valid = [authority for authority in signers if authority.window.holds(time)]
    return Stamped(time, (valid or signers)[0])


def encoded_chain(authority: Authority) -> frozenset[bytes]:
    """Return an authority's certificates in DER: all that a token may carry with it."""
    return frozenset(certificate.public_bytes(Encoding.DER) for certificate in authority.chain)


def signed_by(response: TimeStampResponse, signature: bytes, authority: Authority) -> bool:
    """Tell whether the authority's own certificate signed the response, valid at its time."""
    if len(authority.chain) < 2:
        return False  # a chain needs a signer and a root that is not the signer
    leaf, *intermediates, root = authority.chain
    try:
        with reading("a time stamp"):
            builder = VerifierBuilder().tsa_certificate(leaf).add_root_certificate(root)
            for certificate in intermediates:
                builder = builder.add_intermediate_certificate(certificate)
            return builder.build().verify_message(response, signature)
    except CannotVerify as error:
        if isinstance(error.__cause__, TimestampError):
            return False
        raise

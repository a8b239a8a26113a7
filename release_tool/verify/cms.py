"""The parts of a time stamp that its signature does not cover, read so that they cannot vary.

OpenSSL passes over the signature algorithm that a SignerInfo names, over unsigned attributes and
over surplus certificates; a token whose bytes may be changed is not the token that was made.
RFC 5652 §5.1 and §5.3, RFC 5754
"""

from release_tool.core.errors import CannotVerify

SEQUENCE, SET, OID, OCTETS = 0x30, 0x31, 0x06, 0x04
CONTEXT_0 = 0xA0
MAX_CHILDREN = 64

SHA2 = {
    bytes.fromhex("608648016503040201"): 256,
    bytes.fromhex("608648016503040202"): 384,
    bytes.fromhex("608648016503040203"): 512,
}
ECDSA = {256: "2a8648ce3d040302", 384: "2a8648ce3d040303", 512: "2a8648ce3d040304"}
RSA = {256: "2a864886f70d01010b", 384: "2a864886f70d01010c", 512: "2a864886f70d01010d"}
RSA_ENCRYPTION = "2a864886f70d010101"
GRANTED = bytes.fromhex("3003020100")
VERSION_1, VERSION_3 = bytes.fromhex("020101"), bytes.fromhex("020103")
PARAMETERS = (b"", b"\x05\x00")


def read_signer(response: bytes) -> bytes:
    """Return the issuer (DER of the Name) that a time-stamp response names for its signer.

    Refuses a response (DER) unless its one SignerInfo names algorithms that fit together.

    SignerInfo is (version, sid, digestAlgorithm, [0] signed attributes, signatureAlgorithm,
    signature) and here nothing more; SignedData is (version, digests, content, [0] certificates,
    signerInfos) without revocation lists; the status is "granted" without any text.
    """
    status, token = split(response, SEQUENCE, 2)
    _, wrapped = split(token, SEQUENCE, 2)
    (signed_data,) = split(wrapped, CONTEXT_0, 1)
    version, digests, _, *certificates, signers = split(signed_data, SEQUENCE, 4, 5)
    (signer,) = split(signers, SET, 1)
    signer_version, signer_id, digest, attributes, algorithm, signature = split(signer, SEQUENCE, 6)
    if (
        (status, version, signer_version) != (GRANTED, VERSION_3, VERSION_1)
        or any(part[0] != CONTEXT_0 for part in (*certificates, attributes))
        or split(digests, SET, 1) != [digest]
        or signature[0] != OCTETS
    ):
        raise CannotVerify("a time stamp has parts that do not belong there")
    bits = SHA2.get(identifier(digest))
    named = identifier(algorithm).hex()
    if bits is None or named not in (ECDSA[bits], RSA[bits], RSA_ENCRYPTION):
        raise CannotVerify("a time stamp names signature algorithms that do not fit together")
    return split(signer_id, SEQUENCE, 2)[0]


def identifier(element: bytes) -> bytes:
    """Return the body of the OID in an AlgorithmIdentifier."""
    first, *parameters = children(element, SEQUENCE)
    if first[0] != OID or b"".join(parameters) not in PARAMETERS:
        raise CannotVerify("a time stamp has a malformed algorithm")
    return first[2:]


def split(element: bytes, tag: int, *counts: int) -> list[bytes]:
    """Return the elements inside a constructed one, of which there must be so many."""
    parts = children(element, tag)
    if len(parts) not in counts:
        raise CannotVerify(f"a time stamp has {len(parts)} parts where there should be {counts[0]}")
    return parts


def children(element: bytes, tag: int) -> list[bytes]:
    """Return the elements inside a constructed one, each with its own header (X.690 §8)."""
    start, stop = header(element, 0)
    if element[0] != tag or stop != len(element):
        raise CannotVerify("a time stamp is malformed")
    parts: list[bytes] = []
    while start < stop:
        _, end = header(element, start)
        parts.append(element[start:end])
        start = end
    if not 0 < len(parts) <= MAX_CHILDREN:
        raise CannotVerify("a time stamp is malformed")
    return parts


def header(content: bytes, start: int) -> tuple[int, int]:
    """Return where the body of the element at `start` begins and ends (definite lengths only)."""
    if len(content) < start + 2:
        raise CannotVerify("a time stamp is truncated")
    length, body = content[start + 1], start + 2
    if length & 0x80:
        octets = length & 0x7F
        body += octets
        length = int.from_bytes(content[start + 2 : body], "big")
        if not 0 < octets <= 3 or length < 0x80:
            raise CannotVerify("a time stamp has a malformed length")
    if len(content) < body + length:
        raise CannotVerify("a time stamp is truncated")
    return body, body + length

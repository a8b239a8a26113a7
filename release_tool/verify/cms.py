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


def check_signer_info(response: bytes) -> None:
    """Refuse a time-stamp response (DER) unless its one SignerInfo names matching algorithms.

    SignerInfo is (version, sid, digestAlgorithm, [0] signed attributes, signatureAlgorithm,
    signature) and here nothing more; SignedData is (version, digests, content, [0] certificates,
    signerInfos) without revocation lists.
    """
    _, token = split(response, SEQUENCE, 2)
    _, wrapped = split(token, SEQUENCE, 2)
    (signed_data,) = split(wrapped, CONTEXT_0, 1)
    parts = children(signed_data, SEQUENCE)
    certificates = [part for part in parts[3:-1] if part[0] == CONTEXT_0]
    if len(parts) != 4 + len(certificates) or len(certificates) > 1:
        raise CannotVerify("a time stamp has parts that do not belong there")
    (signer,) = split(parts[-1], SET, 1)
    _, _, digest, attributes, algorithm, signature = split(signer, SEQUENCE, 6)
    if attributes[0] != CONTEXT_0 or signature[0] != OCTETS:
        raise CannotVerify("a time stamp has no signed attributes, or no signature")
    bits = SHA2.get(identifier(digest))
    named = identifier(algorithm).hex()
    if bits is None or named not in (ECDSA[bits], RSA[bits], RSA_ENCRYPTION):
        raise CannotVerify("a time stamp names signature algorithms that do not fit together")


def identifier(element: bytes) -> bytes:
    """Return the body of the OID in an AlgorithmIdentifier."""
    first = children(element, SEQUENCE)[0]
    if first[0] != OID:
        raise CannotVerify("a time stamp has a malformed algorithm")
    return first[2:]


def split(element: bytes, tag: int, count: int) -> list[bytes]:
    """Return the `count` elements inside a constructed one."""
    parts = children(element, tag)
    if len(parts) != count:
        raise CannotVerify(f"a time stamp has {len(parts)} parts where there should be {count}")
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

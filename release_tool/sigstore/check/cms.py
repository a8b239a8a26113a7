"""A time stamp's signed message, read so that it cannot vary, and checked against a key.

What the stamp says, and whether the key is an authority's, is for `timestamps`. Read here and not
by OpenSSL, which passes over the signature algorithm that a SignerInfo names, over unsigned
attributes and over surplus certificates: a token whose bytes may be changed is not the token that
was made. What may vary is what the standards spell in two ways, outside the signed part: parameters
of algorithms that are NULL or absent, RSA with or without its hash, which of the authority's
certificates travel along, and the twin that every ECDSA signature has.
RFC 5652 §5, RFC 5754, RFC 5816
"""

import hashlib
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate

from release_tool.core.errors import CannotVerify
from release_tool.sigstore.check.der import (
    CONTEXT_0,
    INTEGER,
    OCTETS,
    OID,
    SEQUENCE,
    SET,
    body,
    children,
    split,
)

SHA2: dict[bytes, hashes.HashAlgorithm] = {
    bytes.fromhex("608648016503040201"): hashes.SHA256(),
    bytes.fromhex("608648016503040202"): hashes.SHA384(),
    bytes.fromhex("608648016503040203"): hashes.SHA512(),
}
ECDSA = {"sha256": "2a8648ce3d040302", "sha384": "2a8648ce3d040303", "sha512": "2a8648ce3d040304"}
RSA = {
    "sha256": "2a864886f70d01010b",
    "sha384": "2a864886f70d01010c",
    "sha512": "2a864886f70d01010d",
}
RSA_ENCRYPTION = "2a864886f70d010101"
CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})
RSA_SIZES = frozenset({2048, 3072, 4096})
"""The keys of Sigstore's algorithm registry; an authority may pair a curve with any SHA-2."""

SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
TST_INFO = bytes.fromhex("2a864886f70d0109100104")
CONTENT_TYPE = bytes.fromhex("2a864886f70d010903")
MESSAGE_DIGEST = bytes.fromhex("2a864886f70d010904")
SIGNING_CERTIFICATE_V2 = bytes.fromhex("2a864886f70d010910022f")
GRANTED = bytes.fromhex("3003020100")
VERSION_1, VERSION_3 = bytes.fromhex("020101"), bytes.fromhex("020103")
PARAMETERS = (b"", b"\x05\x00")


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """A time-stamp token: its TSTInfo, and what its one signer says of it, in DER.

    `issuer` (a Name) and `serial_number` say which certificate the signer's is; `attributes` are
    the signed ones, and `algorithm` is the signature's OID in hexadecimal.
    """

    content: bytes
    certificates: tuple[bytes, ...]
    issuer: bytes
    serial_number: int
    hash: hashes.HashAlgorithm
    attributes: bytes
    algorithm: str
    signature: bytes

    @classmethod
    def parse(cls, response: bytes) -> Self:
        """Read a time-stamp response (DER); refuse one with a part that does not belong there.

        SignerInfo is (version, sid, digestAlgorithm, [0] signed attributes, signatureAlgorithm,
        signature) and here nothing more; SignedData is (version, digests, content, [0]
        certificates, signerInfos) without revocation lists; the status is "granted", wordless.
        """
        status, token = split(response, SEQUENCE, 2)
        kind, wrapped = split(token, SEQUENCE, 2)
        (signed_data,) = split(wrapped, CONTEXT_0, 1)
        version, digests, content, *certificates, signers = split(signed_data, SEQUENCE, 4, 5)
        (signer,) = split(signers, SET, 1)
        signer_version, who, digest, attributes, algorithm, signature = split(signer, SEQUENCE, 6)
        if (
            (status, version, signer_version) != (GRANTED, VERSION_3, VERSION_1)
            or any(part[0] != CONTEXT_0 for part in (*certificates, attributes))
            or split(digests, SET, 1) != [digest]
            or body(kind, OID) != SIGNED_DATA
        ):
            raise CannotVerify("a time stamp has parts that do not belong there")
        algorithm_hash = SHA2.get(identifier(digest))
        named = identifier(algorithm).hex()
        if algorithm_hash is None or named not in (
            ECDSA[algorithm_hash.name],
            RSA[algorithm_hash.name],
            RSA_ENCRYPTION,
        ):
            raise CannotVerify("a time stamp names signature algorithms that do not fit together")
        issuer, serial = split(who, SEQUENCE, 2)
        content_type, wrapped = split(content, SEQUENCE, 2)
        (time,) = split(wrapped, CONTEXT_0, 1)
        if body(content_type, OID) != TST_INFO:
            raise CannotVerify("a time stamp holds something else than a time")
        carried = tuple(one for part in certificates for one in children(part, CONTEXT_0, least=0))
        if len(set(carried)) != len(carried):
            raise CannotVerify("a time stamp carries a certificate twice")
        return cls(
            content=body(time, OCTETS),
            certificates=carried,
            issuer=issuer,
            serial_number=int.from_bytes(body(serial, INTEGER), "big", signed=True),
            hash=algorithm_hash,
            # What is signed is the SET OF; [0] stands in its place (RFC 5652 §5.4).
            attributes=bytes([SET]) + attributes[1:],
            algorithm=named,
            signature=body(signature, OCTETS),
        )

    def claims(self, chain: tuple[Certificate, ...]) -> bool:
        """Tell whether the message names an authority of these certificates in any of its parts.

        Once in what is signed and twice beside it: whoever changes one leaves the others.
        """
        encoded = [one.public_bytes(Encoding.DER) for one in chain]
        stated = read_attributes(self.attributes)[SIGNING_CERTIFICATE_V2]
        return (
            (self.issuer, self.serial_number)
            == (chain[0].issuer.public_bytes(), chain[0].serial_number)
            or names_certificate(stated, encoded[0])
            or not set(encoded[:1]).isdisjoint(self.certificates)
        )

    def signed_by(self, certificate: bytes, key: object) -> bool:
        """Tell whether this key, of this certificate (DER), signed the message.

        The signed attributes must name the content's type and digest, and the certificate itself
        (RFC 5816 §2.2.1), so that no other certificate of the same key can take its place.
        """
        stated = read_attributes(self.attributes)
        return (
            body(stated[CONTENT_TYPE], OID) == TST_INFO
            and body(stated[MESSAGE_DIGEST], OCTETS) == digest_of(self.hash, self.content)
            and names_certificate(stated[SIGNING_CERTIFICATE_V2], certificate)
            and self.verify(key)
        )

    def verify(self, key: object) -> bool:
        """Tell whether a key, of a kind that is known, made the signature over the attributes."""
        by_curve = self.algorithm in ECDSA.values()
        try:
            if isinstance(key, ec.EllipticCurvePublicKey) and by_curve:
                key.verify(self.signature, self.attributes, ec.ECDSA(self.hash))
                return key.curve.name in CURVES
            if isinstance(key, rsa.RSAPublicKey) and not by_curve:
                key.verify(self.signature, self.attributes, padding.PKCS1v15(), self.hash)
                return key.key_size in RSA_SIZES
        except InvalidSignature:
            pass
        return False


def read_attributes(element: bytes) -> dict[bytes, bytes]:
    """Map the OID of each signed attribute to its one value; the required ones are there."""
    attributes: dict[bytes, bytes] = {}
    for attribute in children(element, SET):
        kind, values = split(attribute, SEQUENCE, 2)
        if body(kind, OID) in attributes:
            raise CannotVerify("a time stamp has a signed attribute twice")
        (attributes[body(kind, OID)],) = split(values, SET, 1)
    if not attributes.keys() >= {CONTENT_TYPE, MESSAGE_DIGEST, SIGNING_CERTIFICATE_V2}:
        raise CannotVerify(
            "a time stamp does not sign what it must: its content's type and digest, and its "
            "signer's certificate by SHA-2"
        )
    return attributes


def names_certificate(signing_certificate: bytes, certificate: bytes) -> bool:
    """Tell whether a SigningCertificateV2 names this certificate first (RFC 5035 §3 and §4)."""
    certificates, *_policies = split(signing_certificate, SEQUENCE, 1, 2)
    first, *parts = children(children(certificates, SEQUENCE)[0], SEQUENCE)
    algorithm: hashes.HashAlgorithm | None = hashes.SHA256()  # the default, which DER leaves out
    if first[0] == SEQUENCE and parts:
        algorithm, first = SHA2.get(identifier(first)), parts[0]
    return algorithm is not None and body(first, OCTETS) == digest_of(algorithm, certificate)


def digest_of(algorithm: hashes.HashAlgorithm, content: bytes) -> bytes:
    """Hash bytes that are in memory."""
    return hashlib.new(algorithm.name, content).digest()


def identifier(element: bytes) -> bytes:
    """Return the OID in an AlgorithmIdentifier (its body), whose parameters are none or NULL."""
    first, *parameters = children(element, SEQUENCE)
    if b"".join(parameters) not in PARAMETERS:
        raise CannotVerify("a time stamp has a malformed algorithm")
    return body(first, OID)

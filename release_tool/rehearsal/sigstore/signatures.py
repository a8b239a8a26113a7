"""What both versions of Rekor check before an entry is logged: that its signature is good.

They check it against the key or certificate in the entry; who owns the key is not their business.
"""

from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import (
    load_der_public_key,
    load_pem_public_key,
)

from release_tool.rehearsal.exchange import Refusal

DIGESTS: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key that can check signatures over a digest: elliptic curve, or RSA PKCS #1 v1.5."""

    public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey

    @classmethod
    def parse_pem(cls, pem: bytes) -> "VerificationKey":
        """Read a certificate or a public key in PEM; raises `Refusal` 400."""
        try:
            if b"-----BEGIN CERTIFICATE-----" in pem:
                return cls.of(x509.load_pem_x509_certificate(pem).public_key())
            return cls.of(load_pem_public_key(pem))
        except (ValueError, UnsupportedAlgorithm) as error:
            raise Refusal(400, "the public key or certificate cannot be parsed") from error

    @classmethod
    def parse_certificate(cls, content: bytes) -> "VerificationKey":
        """Read a certificate in DER; raises `Refusal` 400."""
        try:
            return cls.of(x509.load_der_x509_certificate(content).public_key())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise Refusal(400, "the certificate cannot be parsed") from error

    @classmethod
    def parse_der(cls, content: bytes) -> "VerificationKey":
        """Read a SubjectPublicKeyInfo in DER; raises `Refusal` 400."""
        try:
            return cls.of(load_der_public_key(content))
        except (ValueError, UnsupportedAlgorithm) as error:
            raise Refusal(400, "the public key cannot be parsed") from error

    @classmethod
    def of(cls, public: Any) -> "VerificationKey":
        """Accept a key that can check a signature over a digest; raises `Refusal` 400."""
        if not isinstance(public, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
            raise Refusal(400, "keys of this kind cannot sign a digest")
        return cls(public)

    def check_digest(self, signature: bytes, digest: bytes, algorithm: str) -> None:
        """Check a signature over a digest; raises `Refusal` 400."""
        known = DIGESTS.get(algorithm)
        if known is None or len(digest) != known.digest_size:
            raise Refusal(400, "the digest's length is not its algorithm's")
        prehashed = utils.Prehashed(known)
        try:
            if isinstance(self.public, ec.EllipticCurvePublicKey):
                self.public.verify(signature, digest, ec.ECDSA(prehashed))
            else:
                self.public.verify(signature, digest, padding.PKCS1v15(), prehashed)
        except InvalidSignature as error:
            raise Refusal(400, "the signature does not cover the digest") from error


def pre_authenticate(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that a DSSE signature covers (DSSE v1, pre-authentication encoding)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)

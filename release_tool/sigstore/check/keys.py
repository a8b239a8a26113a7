"""Public keys and their signatures, in the algorithms of Sigstore's registry.

Knows no certificate and no log; says whether bytes were signed by a key.
https://github.com/sigstore/architecture-docs/blob/main/algorithm-registry.md
"""

from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from release_tool.core.errors import InputError

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

CURVES: dict[str, tuple[str, hashes.HashAlgorithm]] = {
    "PKIX_ECDSA_P256_SHA_256": ("secp256r1", hashes.SHA256()),
    "PKIX_ECDSA_P384_SHA_384": ("secp384r1", hashes.SHA384()),
    "PKIX_ECDSA_P521_SHA_512": ("secp521r1", hashes.SHA512()),
}
RSA_DETAILS = {
    "PKIX_RSA_PKCS1V15_2048_SHA256": 2048,
    "PKIX_RSA_PKCS1V15_3072_SHA256": 3072,
    "PKIX_RSA_PKCS1V15_4096_SHA256": 4096,
}
ED25519_DETAILS = "PKIX_ED25519"
SUPPORTED = frozenset({*CURVES, *RSA_DETAILS, ED25519_DETAILS})


@dataclass(frozen=True, slots=True)
class LogKey:
    """The key of a log, with the one hash that it signs with (None for Ed25519)."""

    key: PublicKey
    hash: hashes.HashAlgorithm | None

    @classmethod
    def parse(cls, der: bytes, details: str, where: str) -> "LogKey":
        """Load a SubjectPublicKeyInfo and check that it is what `details` calls it."""
        try:
            key = load_der_public_key(der)
        except Exception as error:  # the parser's exceptions are not documented
            raise InputError(f"{where} is not a public key") from error
        if isinstance(key, ec.EllipticCurvePublicKey) and details in CURVES:
            curve, algorithm = CURVES[details]
            if key.curve.name == curve:
                return cls(key, algorithm)
        elif isinstance(key, rsa.RSAPublicKey) and details in RSA_DETAILS:
            if key.key_size == RSA_DETAILS[details]:
                return cls(key, hashes.SHA256())
        elif isinstance(key, ed25519.Ed25519PublicKey) and details == ED25519_DETAILS:
            return cls(key, None)
        raise InputError(f"{where} is no key of the kind {details}")

    def identifier(self, name: str) -> bytes:
        """Compute the id of a log that signs with this key, whose `name` counts with Ed25519.

        RFC 6962 §3.2; for Ed25519 the key ID of https://c2sp.org/signed-note, not truncated.
        """
        if isinstance(self.key, ed25519.Ed25519PublicKey):
            return sha256(name.encode() + b"\n\x01" + self.key.public_bytes_raw()).digest()
        spki = self.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return sha256(spki).digest()

    def signed(self, signature: bytes, message: bytes) -> bool:
        """Tell whether `signature` is this key's over `message`."""
        try:
            if isinstance(self.key, ed25519.Ed25519PublicKey):
                self.key.verify(signature, message)
            elif isinstance(self.key, rsa.RSAPublicKey):
                self.key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
            elif self.hash is not None:
                self.key.verify(signature, message, ec.ECDSA(self.hash))
            else:  # pragma: no cover - `parse` makes no such key
                return False
        except InvalidSignature:
            return False
        return True

"""The keys of the logs and what they sign: log checkpoints in the signed-note format (C2SP).

What is in a log, and when a checkpoint is due, is not decided here.
"""

import base64
import hashlib
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
NOTE_ED25519 = b"\x01"
"""The signature type of Ed25519 in a signed note's key id."""


@dataclass(frozen=True, slots=True)
class LogKey:
    """A log's signing key, its identifier of 32 bytes, and its name in a trusted root."""

    private: PrivateKey
    log_id: bytes
    details: str

    @classmethod
    def make_ecdsa(cls) -> Self:
        """Make a P-256 key; its id is the SHA-256 of the public key (RFC 6962 §3.2)."""
        private = ec.generate_private_key(ec.SECP256R1())
        return cls(private, hashlib.sha256(spki(private)).digest(), "PKIX_ECDSA_P256_SHA_256")

    @classmethod
    def make_ed25519(cls, origin: str) -> Self:
        """Make an Ed25519 key; its id covers the log's name too (C2SP signed-note)."""
        private = ed25519.Ed25519PrivateKey.generate()
        named = origin.encode() + b"\n" + NOTE_ED25519 + private.public_key().public_bytes_raw()
        return cls(private, hashlib.sha256(named).digest(), "PKIX_ED25519")

    @property
    def spki(self) -> bytes:
        """The public key as a DER SubjectPublicKeyInfo."""
        return spki(self.private)

    def sign(self, message: bytes) -> bytes:
        """Sign with the key's own algorithm: ECDSA over SHA-256 (in DER), or Ed25519."""
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return self.private.sign(message)
        return self.private.sign(message, ec.ECDSA(hashes.SHA256()))


def spki(private: PrivateKey) -> bytes:
    """Return a private key's public half as a DER SubjectPublicKeyInfo."""
    return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def host_of(url: str) -> str:
    """Return the host of a log's URL, which is its name: without scheme, port and path."""
    return urlsplit(url).hostname or ""


def sign_checkpoint(key: LogKey, name: str, origin: str, size: int, root: bytes) -> str:
    """Write a signed log checkpoint; `name` is the signer's, `origin` the first line."""
    text = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
    signature = base64.b64encode(key.log_id[:4] + key.sign(text.encode())).decode()
    return f"{text}\n\N{EM DASH} {name} {signature}\n"

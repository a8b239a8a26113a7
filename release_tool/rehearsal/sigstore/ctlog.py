"""A certificate transparency log (RFC 6962) that signs timestamps.

Fulcio decides which certificates there are; it logs each before it issues it.
"""

import struct
import threading
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from release_tool.rehearsal.sigstore import der
from release_tool.rehearsal.sigstore.note import LogKey
from release_tool.rehearsal.sigstore.oidc import Clock

SCT_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
VERSION_1 = 0
CERTIFICATE_TIMESTAMP = 0
PRECERT_ENTRY = 1
SHA256_WITH_ECDSA = b"\x04\x03"
"""The hash and signature algorithms of TLS 1.2 (RFC 5246 §7.4.1.4.1)."""


class CtLog:
    """A log of certificates, its entries in the order of their arrival."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.key = LogKey.make_ecdsa()
        self.entries: list[bytes] = []
        self.lock = threading.Lock()

    def promise(self, tbs: bytes, issuer: x509.Certificate) -> bytes:
        """Log what a certificate is to say, and return a signed timestamp (RFC 6962 §3.2).

        What is signed binds the entry to its issuer's key.
        """
        key = issuer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        time = struct.pack(">Q", int(self.clock().timestamp() * 1000))
        entry = struct.pack(">H", PRECERT_ENTRY) + sha256(key).digest()
        body = time + entry + len(tbs).to_bytes(3, "big") + tbs + b"\x00\x00"
        with self.lock:
            self.entries.append(bytes((VERSION_1, 0)) + body)
        signature = self.key.sign(bytes((VERSION_1, CERTIFICATE_TIMESTAMP)) + body)
        named = bytes((VERSION_1,)) + self.key.log_id
        return named + time + b"\x00\x00" + digitally_signed(signature)


def encode_sct_list(sct: bytes) -> bytes:
    """Write the value of the extension that embeds one signed timestamp (RFC 6962 §3.3)."""
    listed = struct.pack(">H", len(sct)) + sct
    return der.octet_string(struct.pack(">H", len(listed)) + listed)


def digitally_signed(signature: bytes) -> bytes:
    """Write a signature as TLS 1.2 does (RFC 5246 §4.7)."""
    return SHA256_WITH_ECDSA + struct.pack(">H", len(signature)) + signature

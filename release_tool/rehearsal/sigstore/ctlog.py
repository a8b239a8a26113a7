"""A certificate transparency log (RFC 6962) that takes precertificates and signs timestamps.

It accepts what chains to its one root; Fulcio decides which certificates there are.
"""

import base64
import struct
import threading
from collections.abc import Sequence
from hashlib import sha256
from itertools import pairwise
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from release_tool.core.documents import parse_json_object
from release_tool.rehearsal.exchange import Refusal, Request, Response
from release_tool.rehearsal.server import LoopbackServer, Route
from release_tool.rehearsal.sigstore import der
from release_tool.rehearsal.sigstore.merkle import Tree, hash_leaf
from release_tool.rehearsal.sigstore.note import LogKey
from release_tool.rehearsal.sigstore.oidc import Clock

POISON = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.3")
SCT_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
EXTENSIONS_TAG = der.context(3)
VERSION_1 = 0
CERTIFICATE_TIMESTAMP = 0
PRECERT_ENTRY = 1
SHA256_WITH_ECDSA = b"\x04\x03"
"""The hash and signature algorithms of TLS 1.2 (RFC 5246 §7.4.1.4.1)."""


class CtLog:
    """A log of precertificates under one root, its entries in the order of their arrival."""

    def __init__(self, root: x509.Certificate, clock: Clock) -> None:
        self.root = root
        self.clock = clock
        self.key = LogKey.make_ecdsa()
        self.tree = Tree()
        self.entries: list[tuple[bytes, list[x509.Certificate]]] = []
        self.url = ""
        self.lock = threading.Lock()

    def make_server(self) -> LoopbackServer:
        """Make a server for what a rehearsal asks of the log's API (RFC 6962 §4)."""
        server = LoopbackServer("CT log", [Route("POST", "/ct/v1/add-pre-chain", self.answer_add)])
        self.url = server.url
        return server

    def answer_add(self, request: Request) -> Response:
        """Log a precertificate and promise so with a signed timestamp (RFC 6962 §3.2)."""
        # (1) The chain leads from the precertificate to the log's own root.
        chain = read_chain(request.body.read())
        check_chain(chain, self.root)
        # (2) It is a precertificate: it carries the critical poison, which is then left out.
        check_poison(chain[0])
        tbs = remove_extension(chain[0].tbs_certificate_bytes, POISON)
        # (3) What is signed binds the entry to its issuer's key.
        signed = sha256(public_key(chain[1])).digest() + len(tbs).to_bytes(3, "big") + tbs
        milliseconds = int(self.clock().timestamp() * 1000)
        body = struct.pack(">QH", milliseconds, PRECERT_ENTRY) + signed + b"\x00\x00"
        leaf = bytes((VERSION_1, 0)) + body
        with self.lock:
            self.tree.append(hash_leaf(leaf))
            self.entries.append((leaf, chain))
        signature = self.key.sign(bytes((VERSION_1, CERTIFICATE_TIMESTAMP)) + body)
        return Response.of_json(
            {
                "sct_version": VERSION_1,
                "id": base64.b64encode(self.key.log_id).decode(),
                "timestamp": milliseconds,
                "extensions": "",
                "signature": base64.b64encode(digitally_signed(signature)).decode(),
            }
        )


def read_chain(content: bytes) -> list[x509.Certificate]:
    """Read the chain of a submission, its precertificate first; raises `Refusal`, `InputError`."""
    submission = parse_json_object(content, "the submission")
    try:
        chain = submission["chain"]
        loaded = [
            x509.load_der_x509_certificate(base64.b64decode(item, validate=True)) for item in chain
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise Refusal(400, "the chain cannot be read") from error
    if len(loaded) < 2:
        raise Refusal(400, "the chain is too short")
    return loaded


def check_chain(chain: Sequence[x509.Certificate], root: x509.Certificate) -> None:
    """Check that each certificate signed the one before, up to `root`; raises `Refusal` 400."""
    path = list(chain) if chain[-1] == root else [*chain, root]
    try:
        for child, issuer in pairwise(path):
            child.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise Refusal(400, "the chain does not lead to an accepted root") from error


def check_poison(certificate: x509.Certificate) -> None:
    """Check that a certificate can be used by nobody (RFC 6962 §3.1); raises `Refusal` 400."""
    try:
        poison = certificate.extensions.get_extension_for_oid(POISON)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError) as error:
        raise Refusal(400, "not a precertificate: it carries no poison") from error
    if not poison.critical:
        raise Refusal(400, "not a precertificate: its poison is not critical")


def remove_extension(tbs: bytes, unwanted: x509.ObjectIdentifier) -> bytes:
    """Return a TBSCertificate without one of its extensions, every other byte as it was."""
    parts = []
    for part in der.read_one(tbs, der.SEQUENCE).children():
        if part.tag != EXTENSIONS_TAG:
            parts.append(part.whole)
            continue
        extensions = der.read_one(part.content, der.SEQUENCE).children()
        name = der.oid(unwanted.dotted_string)
        kept = [one.whole for one in extensions if one.children()[0].whole != name]
        parts.append(der.encode(EXTENSIONS_TAG, der.sequence(*kept)))
    return der.sequence(*parts)


def encode_sct_list(sct: dict[str, Any]) -> bytes:
    """Write the value of the extension that embeds one SCT (RFC 6962 §3.3)."""
    packed = (
        bytes((VERSION_1,))
        + base64.b64decode(sct["id"])
        + struct.pack(">QH", sct["timestamp"], 0)
        + base64.b64decode(sct["signature"])
    )
    listed = struct.pack(">H", len(packed)) + packed
    return der.octet_string(struct.pack(">H", len(listed)) + listed)


def digitally_signed(signature: bytes) -> bytes:
    """Write a signature as TLS 1.2 does (RFC 5246 §4.7)."""
    return SHA256_WITH_ECDSA + struct.pack(">H", len(signature)) + signature


def public_key(certificate: x509.Certificate) -> bytes:
    """Return a certificate's SubjectPublicKeyInfo in DER."""
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

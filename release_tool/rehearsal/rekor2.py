"""A Rekor of API version 2: entries of kind hashedrekord 0.0.2, proved, never dated or promised.

It serves its tree as tiles; the time of a signature is the timestamp authority's to tell.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from release_tool.core.documents import JsonObject, parse_json_object
from release_tool.rehearsal.entries import canonicalise
from release_tool.rehearsal.exchange import Refusal, Request, Response
from release_tool.rehearsal.fields import decode_base64, encode_base64, member
from release_tool.rehearsal.fulcio import shape_grpc
from release_tool.rehearsal.merkle import TILE_WIDTH, Tree, hash_leaf
from release_tool.rehearsal.note import LogKey, sign_checkpoint
from release_tool.rehearsal.rekor import MAX_ENTRY_BYTES
from release_tool.rehearsal.server import LoopbackServer, Route
from release_tool.rehearsal.signatures import VerificationKey

KEY_DETAILS = {
    "PKIX_ECDSA_P256_SHA_256": ("secp256r1", "sha256", "SHA2_256"),
    "PKIX_ECDSA_P384_SHA_384": ("secp384r1", "sha384", "SHA2_384"),
    "PKIX_ECDSA_P521_SHA_512": ("secp521r1", "sha512", "SHA2_512"),
    "PKIX_RSA_PKCS1V15_2048_SHA256": (2048, "sha256", "SHA2_256"),
    "PKIX_RSA_PKCS1V15_3072_SHA256": (3072, "sha256", "SHA2_256"),
    "PKIX_RSA_PKCS1V15_4096_SHA256": (4096, "sha256", "SHA2_256"),
}
"""Name of an algorithm -> curve or key size, digest, and the digest's name in an entry."""


class RekorV2:
    """A log in tiles whose key's id covers its name; the name is the log's host and port."""

    api_version = 2

    def __init__(self) -> None:
        self.tree = Tree()
        self.entries: list[bytes] = []
        self.known: dict[bytes, int] = {}
        self.url = ""
        self.name = ""
        self.key = LogKey.make_ed25519("")
        self._lock = threading.Lock()

    @contextmanager
    def serve(self) -> Iterator[None]:
        """Serve the API; the key is made here, where the log's name is known."""
        routes = [
            Route("POST", "/api/v2/log/entries", self.answer_create),
            Route("GET", "/api/v2/checkpoint", self.answer_checkpoint),
            Route("GET", "/api/v2/tile/entries/{index*}", self.answer_entries),
            Route("GET", "/api/v2/tile/{level}/{index*}", self.answer_tile),
        ]
        server = LoopbackServer(
            "Rekor", routes, shape_error=shape_grpc, max_body_bytes=MAX_ENTRY_BYTES
        )
        self.url, self.name = server.url, server.url.partition("//")[2]
        self.key = LogKey.make_ed25519(self.name)
        with server:
            yield

    def answer_create(self, request: Request) -> Response:
        """Check an entry, log it and return it with its proof; 409 where it is there already."""
        body = canonicalise(check_entry(parse_json_object(request.body.read(), "the entry")))
        leaf = hash_leaf(body)
        with self._lock:
            if leaf in self.known:
                index = self.known[leaf]
                message = "an equivalent entry already exists in the transparency log"
                raise Refusal(409, f"{message} with index {index}")
            index = self.known[leaf] = self.tree.append(leaf)
            self.entries.append(body)
            return Response.of_json(self.describe(index), status=201)

    def describe(self, index: int) -> JsonObject:
        """Return an entry as a bundle takes it over, with its proof in the tree as it is now."""
        size = len(self.tree)
        return {
            "logIndex": str(index),
            "logId": {"keyId": encode_base64(self.key.log_id)},
            "kindVersion": {"kind": "hashedrekord", "version": "0.0.2"},
            "integratedTime": "0",
            "inclusionPromise": None,
            "inclusionProof": {
                "logIndex": str(index),
                "rootHash": encode_base64(self.tree.root()),
                "treeSize": str(size),
                "hashes": [encode_base64(one) for one in self.tree.prove_inclusion(index, size)],
                "checkpoint": {"envelope": self.checkpoint()},
            },
            "canonicalizedBody": encode_base64(self.entries[index]),
        }

    def checkpoint(self) -> str:
        """Sign the present size and root (C2SP tlog-checkpoint)."""
        return sign_checkpoint(self.key, self.name, self.name, len(self.tree), self.tree.root())

    def answer_checkpoint(self, _request: Request) -> Response:
        """Serve the log checkpoint."""
        with self._lock:
            text = self.checkpoint()
        return Response(headers={"Content-Type": "text/plain; charset=utf-8"}, body=text.encode())

    def answer_tile(self, request: Request) -> Response:
        """Serve a full or partial tile of hashes (C2SP tlog-tiles)."""
        level = request.parameters["level"]
        if not (level.isascii() and level.isdigit() and len(level) < 3):
            raise Refusal(404, "Not Found")
        index, width = parse_tile_path(request.parameters["index"])
        with self._lock:
            hashes = self.tree.tile(int(level), index, width)
        if hashes is None:
            raise Refusal(404, "Not Found")
        return Response(headers={"Content-Type": "application/octet-stream"}, body=b"".join(hashes))

    def answer_entries(self, request: Request) -> Response:
        """Serve the entries under a tile of the lowest level, each behind its length."""
        index, width = parse_tile_path(request.parameters["index"])
        with self._lock:
            bodies = self.entries[index * TILE_WIDTH : index * TILE_WIDTH + width]
        if len(bodies) < width:
            raise Refusal(404, "Not Found")
        content = b"".join(len(body).to_bytes(2, "big") + body for body in bodies)
        return Response(headers={"Content-Type": "application/octet-stream"}, body=content)


def parse_tile_path(path: str) -> tuple[int, int]:
    """Read a tile's index in groups such as `x001/x234/067`, and its width behind `.p/`."""
    groups, partial, width = path.partition(".p/")
    digits = [group.removeprefix("x") for group in groups.split("/")]
    numbers = [*digits, width] if partial else digits
    if any(not (one.isascii() and one.isdigit() and len(one) < 4) for one in numbers):
        raise Refusal(404, "Not Found")
    return int("".join(digits)), int(width) if partial else TILE_WIDTH


def check_entry(proposed: JsonObject) -> JsonObject:
    """Return what is logged for a request whose signature holds; raises `Refusal` 400."""
    request = proposed.get("hashedRekordRequestV002")
    if request is None:
        raise Refusal(400, "entries of this kind are not taken")
    verifier = member(request, "signature", "verifier")
    key, written = read_verifier(verifier)
    details = member(verifier, "keyDetails")
    curve_or_size, algorithm, named = KEY_DETAILS.get(str(details), (None, "", ""))
    if curve_or_size is None or curve_or_size != kind_of(key):
        raise Refusal(400, "the key is not of the kind that its details say")
    digest = decode_base64(member(request, "digest"), "the digest")
    signature = decode_base64(member(request, "signature", "content"), "the signature")
    key.check_digest(signature, digest, algorithm)
    checked = {
        "data": {"algorithm": named, "digest": encode_base64(digest)},
        "signature": {
            "content": encode_base64(signature),
            "verifier": {"keyDetails": details} | written,
        },
    }
    return {
        "apiVersion": "0.0.2",
        "kind": "hashedrekord",
        "spec": {"hashedRekordV002": checked},
    }


def read_verifier(verifier: Any) -> tuple[VerificationKey, JsonObject]:
    """Read the certificate or the key of an entry, and as it is logged; raises `Refusal` 400."""
    certificate = member(verifier, "x509Certificate", "rawBytes")
    if certificate is not None:
        content = decode_base64(certificate, "the certificate")
        written = {"x509Certificate": {"rawBytes": encode_base64(content)}}
        return VerificationKey.parse_certificate(content), written
    content = decode_base64(member(verifier, "publicKey", "rawBytes"), "the public key")
    return VerificationKey.parse_der(content), {"publicKey": {"rawBytes": encode_base64(content)}}


def kind_of(key: VerificationKey) -> str | int:
    """Return a key's curve, or its size in bits where it is RSA."""
    public = key.public
    curve = getattr(public, "curve", None)
    return public.key_size if curve is None else str(curve.name)

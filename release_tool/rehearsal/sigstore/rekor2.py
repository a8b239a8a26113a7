"""A Rekor of API version 2: entries of kind hashedrekord 0.0.2, proved, never dated or promised.

Asked to, it logs whole envelopes too, as Rekor did before 2.3. The tree is served as tiles; the
time of a signature is the timestamp authority's to tell.
"""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from release_tool.core.documents import JsonObject, parse_json_object
from release_tool.rehearsal.exchange import Refusal, Request, Response
from release_tool.rehearsal.server import LoopbackServer, Route
from release_tool.rehearsal.sigstore.entries import canonicalise
from release_tool.rehearsal.sigstore.fields import decode_base64, encode_base64, member
from release_tool.rehearsal.sigstore.fulcio import shape_grpc
from release_tool.rehearsal.sigstore.merkle import TILE_WIDTH, Tree, hash_leaf
from release_tool.rehearsal.sigstore.note import LogKey, host_of, sign_checkpoint
from release_tool.rehearsal.sigstore.rekor import MAX_ENTRY_BYTES
from release_tool.rehearsal.sigstore.signatures import VerificationKey, pre_authenticate

KEY_DETAILS = {
    "PKIX_ECDSA_P256_SHA_256": ("secp256r1", "sha256", "SHA2_256"),
    "PKIX_ECDSA_P384_SHA_384": ("secp384r1", "sha384", "SHA2_384"),
    "PKIX_ECDSA_P521_SHA_512": ("secp521r1", "sha512", "SHA2_512"),
    "PKIX_RSA_PKCS1V15_2048_SHA256": (2048, "sha256", "SHA2_256"),
    "PKIX_RSA_PKCS1V15_3072_SHA256": (3072, "sha256", "SHA2_256"),
    "PKIX_RSA_PKCS1V15_4096_SHA256": (4096, "sha256", "SHA2_256"),
}
"""Name of an algorithm -> curve or key size, digest, and the digest's name in an entry."""

VERSION = "0.0.2"
MAX_SIGNATURES = 10


class RekorV2:
    """A log in tiles whose key's id covers its name: the host of its URL, without the port.

    Clients take the name that they expect from the log's base URL in the trusted root. With
    `takes_envelopes` it logs them as entries of kind dsse too, which clients of its first versions
    ask for; since 2.3 it refuses them, and an envelope is logged by the digest that it signs.
    """

    api_version = 2

    def __init__(self, *, takes_envelopes: bool = False) -> None:
        self.takes_envelopes = takes_envelopes
        self.tree = Tree()
        self.entries: list[bytes] = []
        self.kinds: list[str] = []
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
        self.url, self.name = server.url, host_of(server.url)
        self.key = LogKey.make_ed25519(self.name)
        with server:
            yield

    def answer_create(self, request: Request) -> Response:
        """Check an entry, log it and return it with its proof; 409 where it is there already."""
        proposed = parse_json_object(request.body.read(), "the entry")
        kind, spec = check_entry(proposed, takes_envelopes=self.takes_envelopes)
        body = canonicalise({"apiVersion": VERSION, "kind": kind, "spec": spec})
        leaf = hash_leaf(body)
        with self._lock:
            if leaf in self.known:
                index = self.known[leaf]
                message = "an equivalent entry already exists in the transparency log"
                raise Refusal(409, f"{message} with index {index}")
            index = self.known[leaf] = self.tree.append(leaf)
            self.entries.append(body)
            self.kinds.append(kind)
            return Response.of_json(self.describe(index), status=201)

    def describe(self, index: int) -> JsonObject:
        """Return an entry as a bundle takes it over, with its proof in the tree as it is now."""
        size = len(self.tree)
        return {
            "logIndex": str(index),
            "logId": {"keyId": encode_base64(self.key.log_id)},
            "kindVersion": {"kind": self.kinds[index], "version": VERSION},
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


def check_entry(proposed: JsonObject, *, takes_envelopes: bool) -> tuple[str, JsonObject]:
    """Return the kind and spec to log for a request whose signatures hold; `Refusal` 400."""
    record = proposed.get("hashedRekordRequestV002")
    if record is not None:
        return "hashedrekord", {"hashedRekordV002": check_hashedrekord(record)}
    envelope = proposed.get("dsseRequestV002")
    if envelope is not None and takes_envelopes:
        return "dsse", {"dsseV002": check_envelope(envelope)}
    raise Refusal(400, "invalid type, must be hashedrekord")


def check_hashedrekord(request: Any) -> JsonObject:
    """Check the signature over a digest; raises `Refusal` 400."""
    key, algorithm, verifier = read_verifier(member(request, "signature", "verifier"))
    digest = decode_base64(member(request, "digest"), "the digest")
    signature = decode_base64(member(request, "signature", "content"), "the signature")
    key.check_digest(signature, digest, algorithm)
    named = KEY_DETAILS[verifier["keyDetails"]][2]
    return {
        "data": {"algorithm": named, "digest": encode_base64(digest)},
        "signature": {"content": encode_base64(signature), "verifier": verifier},
    }


def check_envelope(request: Any) -> JsonObject:
    """Check that each signature of an envelope holds under a verifier; raises `Refusal` 400."""
    envelope, verifiers = member(request, "envelope"), member(request, "verifiers")
    kind, signatures = member(envelope, "payloadType"), member(envelope, "signatures")
    payload = decode_base64(member(envelope, "payload"), "the payload")
    if not isinstance(kind, str) or not isinstance(signatures, list) or not signatures:
        raise Refusal(400, "the envelope has no type or no signature")
    if not isinstance(verifiers, list) or not verifiers:
        raise Refusal(400, "missing verifiers")
    if max(len(signatures), len(verifiers)) > MAX_SIGNATURES:
        raise Refusal(400, f"more than {MAX_SIGNATURES} signatures or verifiers")
    signed, known = pre_authenticate(kind, payload), [read_verifier(one) for one in verifiers]
    contents = sorted(decode_base64(member(one, "sig"), "a signature") for one in signatures)
    digest = encode_base64(hashlib.sha256(payload).digest())
    return {
        "payloadHash": {"algorithm": "SHA2_256", "digest": digest},
        "signatures": [
            {"content": encode_base64(one), "verifier": find_verifier(one, signed, known)}
            for one in contents
        ],
    }


Verifier = tuple[VerificationKey, str, JsonObject]


def find_verifier(signature: bytes, signed: bytes, known: list[Verifier]) -> JsonObject:
    """Find the verifier under which a signature holds, as it is logged; raises `Refusal` 400."""
    for key, algorithm, written in known:
        try:
            key.check_digest(signature, hashlib.new(algorithm, signed).digest(), algorithm)
        except Refusal:
            continue
        return written
    raise Refusal(400, "a signature of the envelope holds under no verifier")


def read_verifier(verifier: Any) -> Verifier:
    """Read the key of an entry, its digest's name, and how it is logged; raises `Refusal` 400."""
    key, written = read_key(verifier)
    details = member(verifier, "keyDetails")
    curve_or_size, algorithm, _named = KEY_DETAILS.get(str(details), (None, "", ""))
    if curve_or_size is None or curve_or_size != kind_of(key):
        raise Refusal(400, "the key is not of the kind that its details say")
    return key, algorithm, {"keyDetails": details} | written


def read_key(verifier: Any) -> tuple[VerificationKey, JsonObject]:
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

"""A Rekor of API version 2: entries of kind hashedrekord 0.0.2, proved, never dated or promised.

An envelope is logged by the digest that it signs; the time of a signature is the timestamp
authority's to tell.
"""

import threading
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from release_tool.core.documents import JsonObject, parse_json_object
from release_tool.rehearsal.exchange import Refusal, Request, Response
from release_tool.rehearsal.server import LoopbackServer, Route
from release_tool.rehearsal.sigstore.entries import canonicalise
from release_tool.rehearsal.sigstore.fields import decode_base64, encode_base64, member
from release_tool.rehearsal.sigstore.fulcio import shape_grpc
from release_tool.rehearsal.sigstore.merkle import Tree, hash_leaf
from release_tool.rehearsal.sigstore.note import LogKey, host_of, sign_checkpoint
from release_tool.rehearsal.sigstore.rekor import MAX_ENTRY_BYTES
from release_tool.rehearsal.sigstore.signatures import check_digest, read_key

KEY_DETAILS = {
    "PKIX_ECDSA_P256_SHA_256": ("secp256r1", "sha256", "SHA2_256"),
    "PKIX_ECDSA_P384_SHA_384": ("secp384r1", "sha384", "SHA2_384"),
    "PKIX_ECDSA_P521_SHA_512": ("secp521r1", "sha512", "SHA2_512"),
}
"""Name of an algorithm -> curve, digest, and the digest's name in an entry."""

VERSION = "0.0.2"


class RekorV2:
    """A log in tiles whose key's id covers its name: the host of its URL, without the port.

    Clients take the name that they expect from the log's base URL in the trusted root. `kinds` maps
    the member of a request to the kind of its entry, the member that holds it, and what checks it.
    """

    api_version = 2

    def __init__(self) -> None:
        self.kinds = {
            "hashedRekordRequestV002": ("hashedrekord", "hashedRekordV002", check_hashedrekord)
        }
        self.tree = Tree()
        self.entries: list[tuple[str, bytes]] = []
        self.known: dict[bytes, int] = {}
        self.url = ""
        self.name = ""
        self.key = LogKey.make_ed25519("")
        self.lock = threading.Lock()

    def make_server(self) -> LoopbackServer:
        """Make a server for what a rehearsal asks, and the key, as the name is known now."""
        server = LoopbackServer(
            "Rekor",
            [Route("POST", "/api/v2/log/entries", self.answer_create)],
            shape_error=shape_grpc,
            max_body_bytes=MAX_ENTRY_BYTES,
        )
        self.url, self.name = server.url, host_of(server.url)
        self.key = LogKey.make_ed25519(self.name)
        return server

    def answer_create(self, request: Request) -> Response:
        """Check an entry, log it and return it with its proof; 409 where it is there already."""
        proposed = parse_json_object(request.body.read(), "the entry")
        asked = [name for name in self.kinds if proposed.get(name) is not None]
        if not asked:
            raise Refusal(400, "invalid type, must be hashedrekord")
        kind, named, check = self.kinds[asked[0]]
        spec = {named: check(proposed[asked[0]])}
        body = canonicalise({"apiVersion": VERSION, "kind": kind, "spec": spec})
        leaf = hash_leaf(body)
        with self.lock:
            if leaf in self.known:
                index = self.known[leaf]
                message = "an equivalent entry already exists in the transparency log"
                raise Refusal(409, f"{message} with index {index}")
            index = self.known[leaf] = self.tree.append(leaf)
            self.entries.append((kind, body))
            return Response.of_json(self.describe(index), status=201)

    def describe(self, index: int) -> JsonObject:
        """Return an entry as a bundle takes it over, with its proof in the tree as it is now."""
        size, (kind, body) = len(self.tree), self.entries[index]
        return {
            "logIndex": str(index),
            "logId": {"keyId": encode_base64(self.key.log_id)},
            "kindVersion": {"kind": kind, "version": VERSION},
            "integratedTime": "0",
            "inclusionPromise": None,
            "inclusionProof": {
                "logIndex": str(index),
                "rootHash": encode_base64(self.tree.root()),
                "treeSize": str(size),
                "hashes": [encode_base64(one) for one in self.tree.prove_inclusion(index, size)],
                "checkpoint": {"envelope": self.checkpoint()},
            },
            "canonicalizedBody": encode_base64(body),
        }

    def checkpoint(self) -> str:
        """Sign the present size and root (C2SP tlog-checkpoint)."""
        return sign_checkpoint(self.key, self.name, self.name, len(self.tree), self.tree.root())


def check_hashedrekord(request: Any) -> JsonObject:
    """Check the signature over a digest; raises `Refusal` 400."""
    key, algorithm, verifier = read_verifier(member(request, "signature", "verifier"))
    digest = decode_base64(member(request, "digest"), "the digest")
    signature = decode_base64(member(request, "signature", "content"), "the signature")
    check_digest(key, signature, digest, algorithm)
    named = KEY_DETAILS[verifier["keyDetails"]][2]
    return {
        "data": {"algorithm": named, "digest": encode_base64(digest)},
        "signature": {"content": encode_base64(signature), "verifier": verifier},
    }


Verifier = tuple[ec.EllipticCurvePublicKey, str, JsonObject]


def read_verifier(verifier: Any) -> Verifier:
    """Read the key of an entry, its digest's name, and how it is logged; raises `Refusal` 400."""
    raw = member(verifier, "x509Certificate", "rawBytes")
    certificate = decode_base64(raw, "the certificate")
    key, details = read_key(certificate), member(verifier, "keyDetails")
    curve, algorithm, _named = KEY_DETAILS.get(str(details), ("", "", ""))
    if curve != key.curve.name:
        raise Refusal(400, "the key is not of the kind that its details say")
    written = {"x509Certificate": {"rawBytes": encode_base64(certificate)}}
    return key, algorithm, {"keyDetails": details} | written

"""What a CT log is asked by whoever watches it (RFC 6962 §4), and no rehearsal asks."""

import base64
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from release_tool.rehearsal.exchange import Refusal, Request, Response
from release_tool.rehearsal.server import Route
from release_tool.rehearsal.sigstore.ctlog import VERSION_1, CtLog, digitally_signed
from release_tool.rehearsal.sigstore.merkle import hash_leaf
from tests.standins.fields import query_number
from tests.standins.merkle import prove_consistency

TREE_HEAD = 1


@dataclass(frozen=True, slots=True)
class CtLogQuestions:
    """Answers questions about a log."""

    log: CtLog

    def routes(self) -> list[Route]:
        """List the routes."""
        return [
            Route("GET", "/ct/v1/get-sth", self.answer_tree_head),
            Route("GET", "/ct/v1/get-entries", self.answer_entries),
            Route("GET", "/ct/v1/get-proof-by-hash", self.answer_inclusion),
            Route("GET", "/ct/v1/get-sth-consistency", self.answer_consistency),
            Route("GET", "/ct/v1/get-roots", self.answer_roots),
        ]

    def answer_tree_head(self, _request: Request) -> Response:
        """Sign the present size and root (RFC 6962 §3.5, §4.3)."""
        with self.log.lock:
            size, root = len(self.log.tree), self.log.tree.root()
        milliseconds = int(self.log.clock().timestamp() * 1000)
        signed = struct.pack(">BBQQ", VERSION_1, TREE_HEAD, milliseconds, size) + root
        return Response.of_json(
            {
                "tree_size": size,
                "timestamp": milliseconds,
                "sha256_root_hash": base64.b64encode(root).decode(),
                "tree_head_signature": base64.b64encode(
                    digitally_signed(self.log.key.sign(signed))
                ).decode(),
            }
        )

    def answer_entries(self, request: Request) -> Response:
        """Return the entries from `start` to `end`, both included (RFC 6962 §4.6)."""
        start, end = query_number(request, "start"), query_number(request, "end")
        with self.log.lock:
            found = self.log.entries[start : end + 1]
        if not found:
            raise Refusal(400, "no such entries")
        return Response.of_json(
            {
                "entries": [
                    {
                        "leaf_input": base64.b64encode(leaf).decode(),
                        "extra_data": base64.b64encode(encode_extra(chain)).decode(),
                    }
                    for leaf, chain in found
                ]
            }
        )

    def answer_inclusion(self, request: Request) -> Response:
        """Prove that a leaf hash is in a tree of `tree_size` (RFC 6962 §4.5)."""
        size = query_number(request, "tree_size")
        wanted = request.query.get("hash", "")
        with self.log.lock:
            leaves = to_base64([hash_leaf(leaf) for leaf, _chain in self.log.entries[:size]])
            if len(leaves) < size or wanted not in leaves:
                raise Refusal(404, "no such leaf in a tree of that size")
            index = leaves.index(wanted)
            path = self.log.tree.prove_inclusion(index, size)
        return Response.of_json({"leaf_index": index, "audit_path": to_base64(path)})

    def answer_consistency(self, request: Request) -> Response:
        """Prove that the tree of size `first` begins that of size `second` (RFC 6962 §4.4)."""
        first, second = query_number(request, "first"), query_number(request, "second")
        with self.log.lock:
            if not 0 < first <= second <= len(self.log.tree):
                raise Refusal(400, "the log never had these sizes")
            path = prove_consistency(self.log.tree, first, second)
        return Response.of_json({"consistency": to_base64(path)})

    def answer_roots(self, _request: Request) -> Response:
        """Return the one root that is accepted (RFC 6962 §4.7)."""
        return Response.of_json(
            {"certificates": to_base64([self.log.root.public_bytes(Encoding.DER)])}
        )


def encode_extra(chain: Sequence[x509.Certificate]) -> bytes:
    """Write a PrecertChainEntry (RFC 6962 §3.1): the precertificate and its chain."""
    ders = [certificate.public_bytes(Encoding.DER) for certificate in chain]
    listed = [len(one).to_bytes(3, "big") + one for one in ders]
    rest = b"".join(listed[1:])
    return listed[0] + len(rest).to_bytes(3, "big") + rest


def to_base64(hashes: Sequence[bytes]) -> list[str]:
    """Write byte strings in base64."""
    return [base64.b64encode(one).decode() for one in hashes]

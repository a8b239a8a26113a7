"""What a Rekor of API version 1 is asked by whoever watches it, and no rehearsal asks."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from release_tool.rehearsal.exchange import Refusal, Request, Response
from release_tool.rehearsal.server import Route
from release_tool.rehearsal.sigstore.merkle import hash_leaf
from release_tool.rehearsal.sigstore.rekor import RekorV1
from tests.standins.fields import query_number
from tests.standins.merkle import prove_consistency


@dataclass(frozen=True, slots=True)
class RekorQuestions:
    """Answers questions about a log."""

    log: RekorV1

    def routes(self) -> list[Route]:
        """List the routes."""
        return [
            Route("GET", "/api/v1/log/entries", self.answer_by_index),
            Route("GET", "/api/v1/log", self.answer_log),
            Route("GET", "/api/v1/log/publicKey", self.answer_key),
            Route("GET", "/api/v1/log/proof", self.answer_consistency),
        ]

    def answer_by_index(self, request: Request) -> Response:
        """Return the entry at `logIndex`."""
        index = query_number(request, "logIndex")
        with self.log.lock:
            if index >= len(self.log.entries):
                raise Refusal(404, "")
            return Response.of_json(
                self.log.describe(self.log.tree_uuid(hash_leaf(self.log.entries[index].body)))
            )

    def answer_log(self, _request: Request) -> Response:
        """Return the present size, root and log checkpoint."""
        with self.log.lock:
            return Response.of_json(
                {
                    "inactiveShards": [],
                    "rootHash": self.log.tree.root().hex(),
                    "signedTreeHead": self.log.checkpoint(),
                    "treeID": self.log.tree_id,
                    "treeSize": len(self.log.tree),
                }
            )

    def answer_key(self, _request: Request) -> Response:
        """Publish the log's key."""
        public = self.log.key.private.public_key()
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return Response(headers={"Content-Type": "application/x-pem-file"}, body=pem)

    def answer_consistency(self, request: Request) -> Response:
        """Prove that the tree of `firstSize` begins that of `lastSize`."""
        first, last = query_number(request, "firstSize"), query_number(request, "lastSize")
        with self.log.lock:
            if not 0 < first <= last <= len(self.log.tree):
                raise Refusal(400, "the log never had these sizes")
            hashes = [one.hex() for one in prove_consistency(self.log.tree, first, last)]
            return Response.of_json({"hashes": hashes, "rootHash": self.log.tree.root(last).hex()})

"""A Rekor of API version 1: entries of kind hashedrekord and dsse 0.0.1, each promised and proved.

It checks signatures and keeps the tree; who signed is not checked.
"""

import secrets
import threading
from dataclasses import dataclass

from release_tool.core.documents import JsonObject, parse_json_object
from release_tool.rehearsal.exchange import Refusal, Request, Response
from release_tool.rehearsal.server import LoopbackServer, Route
from release_tool.rehearsal.sigstore.entries import canonicalise, check_entry
from release_tool.rehearsal.sigstore.fields import encode_base64
from release_tool.rehearsal.sigstore.merkle import Tree, hash_leaf
from release_tool.rehearsal.sigstore.note import LogKey, host_of, sign_checkpoint
from release_tool.rehearsal.sigstore.oidc import Clock

MAX_ENTRY_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """What was logged: the canonical body, and when, in seconds since 1970."""

    body: bytes
    integrated_time: int


class RekorV1:
    """A log that promises inclusion with a signed entry timestamp (SET) and proves it at once."""

    api_version = 1

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.key = LogKey.make_ecdsa()
        self.tree_id = str(secrets.randbits(62))
        self.tree = Tree()
        self.entries: list[Entry] = []
        self.known: dict[str, int] = {}
        self.url = ""
        self.lock = threading.Lock()

    def make_server(self) -> LoopbackServer:
        """Make a server for what a rehearsal asks of the API."""
        routes = [
            Route("POST", "/api/v1/log/entries", self.answer_create),
            Route("GET", "/api/v1/log/entries/{uuid}", self.answer_by_uuid),
        ]
        server = LoopbackServer("Rekor", routes, max_body_bytes=MAX_ENTRY_BYTES)
        self.url = server.url
        return server

    def answer_create(self, request: Request) -> Response:
        """Check an entry and log it; an entry that is there already is refused with 409."""
        body = canonicalise(check_entry(parse_json_object(request.body.read(), "the entry")))
        with self.lock:
            uuid = self.tree_uuid(hash_leaf(body))
            location = f"/api/v1/log/entries/{uuid}"
            if uuid in self.known:
                return refuse_duplicate(uuid, location)
            self.known[uuid] = self.tree.append(hash_leaf(body))
            self.entries.append(Entry(body, int(self.clock().timestamp())))
            answer = self.describe(uuid)
        return Response.of_json(answer, status=201, Location=location, ETag=uuid)

    def answer_by_uuid(self, request: Request) -> Response:
        """Return the entry of a UUID, given with or without the tree's id."""
        uuid = request.parameters["uuid"]
        whole = uuid if len(uuid) > 64 else f"{int(self.tree_id):016x}{uuid}"
        with self.lock:
            if whole not in self.known:
                raise Refusal(404, "")
            return Response.of_json(self.describe(whole))

    def tree_uuid(self, leaf: bytes) -> str:
        """Return an entry's UUID: the tree's id in 16 digits, then the leaf's hash."""
        return f"{int(self.tree_id):016x}{leaf.hex()}"

    def checkpoint(self) -> str:
        """Sign the present size and root; the name is the host of the log's URL, as Rekor's is."""
        name = host_of(self.url)
        origin = f"{name} - {self.tree_id}"
        return sign_checkpoint(self.key, name, origin, len(self.tree), self.tree.root())

    def describe(self, uuid: str) -> JsonObject:
        """Return an entry with its promise, and its proof in the tree as it is now."""
        index = self.known[uuid]
        entry = self.entries[index]
        promised = {
            "body": encode_base64(entry.body),
            "integratedTime": entry.integrated_time,
            "logID": self.key.log_id.hex(),
            "logIndex": index,
        }
        size = len(self.tree)
        proof = {
            "checkpoint": self.checkpoint(),
            "hashes": [one.hex() for one in self.tree.prove_inclusion(index, size)],
            "logIndex": index,
            "rootHash": self.tree.root().hex(),
            "treeSize": size,
        }
        promise = encode_base64(self.key.sign(canonicalise(promised)))
        verification = {"inclusionProof": proof, "signedEntryTimestamp": promise}
        return {uuid: promised | {"verification": verification}}


def refuse_duplicate(uuid: str, location: str) -> Response:
    """Answer that an entry is there already, and where."""
    message = f"an equivalent entry already exists in the transparency log with UUID {uuid}"
    return Response.of_json({"code": 409, "message": message}, status=409, Location=location)

"""What a Rekor of API version 2 is asked by whoever watches it, and whole envelopes.

Rekor logged those before its version 2.3, for clients of its first versions.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from release_tool.core.documents import JsonObject
from release_tool.rehearsal.exchange import Refusal, Request, Response
from release_tool.rehearsal.server import Route
from release_tool.rehearsal.sigstore.fields import decode_base64, encode_base64, member
from release_tool.rehearsal.sigstore.rekor2 import RekorV2, Verifier, read_verifier
from release_tool.rehearsal.sigstore.signatures import check_digest, pre_authenticate
from tests.standins.merkle import TILE_WIDTH, find_tile

MAX_SIGNATURES = 10


@dataclass(frozen=True, slots=True)
class RekorV2Questions:
    """Serves a log as tiles (C2SP tlog-tiles)."""

    log: RekorV2

    def routes(self) -> list[Route]:
        """List the routes."""
        return [
            Route("GET", "/api/v2/checkpoint", self.answer_checkpoint),
            Route("GET", "/api/v2/tile/entries/{index*}", self.answer_entries),
            Route("GET", "/api/v2/tile/{level}/{index*}", self.answer_tile),
        ]

    def answer_checkpoint(self, _request: Request) -> Response:
        """Serve the log checkpoint."""
        with self.log.lock:
            text = self.log.checkpoint()
        return Response(headers={"Content-Type": "text/plain; charset=utf-8"}, body=text.encode())

    def answer_tile(self, request: Request) -> Response:
        """Serve a full or partial tile of hashes (C2SP tlog-tiles)."""
        level = request.parameters["level"]
        if not (level.isascii() and level.isdigit() and len(level) < 3):
            raise Refusal(404, "Not Found")
        index, width = parse_tile_path(request.parameters["index"])
        with self.log.lock:
            hashes = find_tile(self.log.tree, int(level), index, width)
        if hashes is None:
            raise Refusal(404, "Not Found")
        return Response(headers={"Content-Type": "application/octet-stream"}, body=b"".join(hashes))

    def answer_entries(self, request: Request) -> Response:
        """Serve the entries under a tile of the lowest level, each behind its length."""
        index, width = parse_tile_path(request.parameters["index"])
        with self.log.lock:
            entries = self.log.entries[index * TILE_WIDTH : index * TILE_WIDTH + width]
        if len(entries) < width:
            raise Refusal(404, "Not Found")
        content = b"".join(len(body).to_bytes(2, "big") + body for _, body in entries)
        return Response(headers={"Content-Type": "application/octet-stream"}, body=content)


def parse_tile_path(path: str) -> tuple[int, int]:
    """Read a tile's index in groups such as `x001/x234/067`, and its width behind `.p/`."""
    groups, partial, width = path.partition(".p/")
    digits = [group.removeprefix("x") for group in groups.split("/")]
    numbers = [*digits, width] if partial else digits
    if any(not (one.isascii() and one.isdigit() and len(one) < 4) for one in numbers):
        raise Refusal(404, "Not Found")
    return int("".join(digits)), int(width) if partial else TILE_WIDTH


def take_envelopes(log: RekorV2) -> None:
    """Have a log take whole envelopes, as an early one does."""
    log.kinds["dsseRequestV002"] = ("dsse", "dsseV002", check_envelope)


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


def find_verifier(signature: bytes, signed: bytes, known: list[Verifier]) -> JsonObject:
    """Find the verifier under which a signature holds, as it is logged; raises `Refusal` 400."""
    for key, algorithm, written in known:
        try:
            check_digest(key, signature, hashlib.new(algorithm, signed).digest(), algorithm)
        except Refusal:
            continue
        return written
    raise Refusal(400, "a signature of the envelope holds under no verifier")

"""Step 5: the entry stands in a transparency log, and the log itself says so.

Proves that some entry was logged; that it is about this signature is checked in `entry`.
RFC 6962 §2.1 (Merkle audit paths), https://c2sp.org/tlog-checkpoint
"""

import base64
import json
from datetime import UTC, datetime
from hashlib import sha256

from release_tool.core.errors import CannotVerify, InputError, NotVerified
from release_tool.sigstore.check.bundle import InclusionProof, LogEntry
from release_tool.sigstore.check.fields import decode_octets, decode_uint64
from release_tool.sigstore.check.note import parse_signatures, split_note
from release_tool.sigstore.check.refusal import mismatch
from release_tool.sigstore.check.root import Anchors, Log

WITH_PROMISE = frozenset({("hashedrekord", "0.0.1"), ("dsse", "0.0.1")})


def find_log(entry: LogEntry, anchors: Anchors) -> Log:
    """Return the trusted log that the entry names."""
    for log in anchors.logs:
        if log.key_id == entry.log_id:
            return log
    known = ", ".join(f"{log.key_id.hex()} ({log.url})" for log in anchors.logs)
    raise anchors.unknown("the transparency log", expected=known, actual=entry.log_id.hex())


def check_promise(entry: LogEntry, log: Log) -> datetime | None:
    """Return when the log took the entry in, by its signed entry timestamp; None without one."""
    if entry.promise is None or entry.integrated_time is None:
        return None
    if (entry.kind, entry.version) not in WITH_PROMISE:
        raise CannotVerify(f"log entries {entry.kind} {entry.version} with a promise are unknown")
    # RFC 8785 form; with these four members of ASCII and integers that is plain compact JSON.
    message = {
        "body": base64.b64encode(entry.body).decode(),
        "integratedTime": entry.integrated_time,
        "logID": entry.log_id.hex(),
        "logIndex": entry.index,
    }
    content = json.dumps(message, separators=(",", ":"), sort_keys=True).encode()
    if not log.key.signed(entry.promise, content):
        raise NotVerified(
            f"the promise to include entry {entry.index} is not signed by the log {log.url}"
        )
    try:
        return datetime.fromtimestamp(entry.integrated_time, tz=UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise NotVerified("the log entry's time is out of range") from error


def check_inclusion(entry: LogEntry, log: Log) -> None:
    """Refuse an entry that its audit path and the log's signed root do not prove to be there."""
    check_checkpoint(entry.proof, log)
    if entry.promise is None:
        check_origin(entry, log)
    root = root_of_path(sha256(b"\0" + entry.body).digest(), entry.proof)
    if root != entry.proof.root:
        actual = "no such path" if root is None else root.hex()
        raise mismatch("root of the log's tree", expected=entry.proof.root.hex(), actual=actual)
    if entry.promise is None and entry.index != entry.proof.index:
        # Nothing signs the outer index of such an entry; a log without shards has just one.
        raise mismatch("index of the log entry", expected=entry.proof.index, actual=entry.index)


def check_origin(entry: LogEntry, log: Log) -> None:
    """Refuse a log checkpoint whose origin is no name by which the root knows the log.

    Asked where nothing but the checkpoint ties an entry to its log (Rekor v2): a key may sign for
    more than one log, so it takes the name as well to say which one it was.
    """
    names = log.names
    if not names:
        raise CannotVerify(
            f"the trusted root names no host for the log {log.key_id.hex()}, "
            "so its log checkpoints cannot be told from another's"
        )
    origin = entry.proof.checkpoint.partition("\n")[0]
    # Rekor v1 adds its tree's number to the origin; for v2 the origin is the name and nothing else.
    first_version = (entry.kind, entry.version) in WITH_PROMISE
    if (origin.partition(" - ")[0] if first_version else origin) not in names:
        raise mismatch("the log checkpoint's origin", expected=" or ".join(names), actual=origin)


def root_of_path(leaf: bytes, proof: InclusionProof) -> bytes | None:
    """Compute the root that an audit path leads to (RFC 9162 §2.1.3.2); None if it cannot be."""
    node, position, last = leaf, proof.index, proof.size - 1
    for sibling in proof.hashes:
        if last == 0:
            return None
        if position & 1 or position == last:
            node = sha256(b"\1" + sibling + node).digest()
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            node = sha256(b"\1" + node + sibling).digest()
        position, last = position >> 1, last >> 1
    return node if last == 0 else None


def check_checkpoint(proof: InclusionProof, log: Log) -> None:
    """Refuse a log checkpoint that the log did not sign, or that is of another tree.

    Cosignatures of witnesses may stand beside the log's own; nobody here knows them.
    """
    text, signatures = split_note(proof.checkpoint)
    lines = text.removesuffix("\n").split("\n")
    if len(lines) < 3 or not lines[0]:
        raise CannotVerify("the log checkpoint is malformed")
    try:
        size = decode_uint64(lines[1], "the log checkpoint's tree size")
        root = decode_octets(lines[2], "the log checkpoint's root hash")
    except InputError as error:
        raise CannotVerify(error.message) from error
    name = lines[0].partition(" - ")[0]  # Rekor v1 adds its tree's number to the origin
    own = [
        one.signature
        for one in parse_signatures(signatures)
        if (one.name, one.hint) == (name, log.hint)
    ]
    if not own or not log.key.signed(own[0], text.encode()):
        raise NotVerified(f"the log checkpoint is not signed by the log {log.url}")
    if (size, root) != (proof.size, proof.root):
        raise mismatch(
            "the log checkpoint's tree",
            expected=f"{proof.root.hex()} of {proof.size}",
            actual=f"{root.hex()} of {size}",
        )

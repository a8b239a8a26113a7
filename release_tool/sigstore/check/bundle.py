"""Reads a Sigstore bundle into values; whether they prove anything is for the later steps.

Accepts versions 0.1 to 0.3 as the specification has them and refuses what it does not describe.
https://github.com/sigstore/protobuf-specs, sigstore_bundle.proto
"""

from dataclasses import dataclass
from typing import Any

from release_tool.core.documents import JsonObject, parse_json_object
from release_tool.core.errors import CannotVerify, InputError
from release_tool.core.limits import BUNDLE_LIMIT_BYTES
from release_tool.sigstore.check.fields import (
    decode_octets,
    read_list,
    read_object,
    read_octets,
    read_text,
    read_uint64,
)
from release_tool.sigstore.check.refusal import show

MAX_TIMESTAMPS = 16
MAX_CHAIN = 8
MAX_PROOF = 64
FIRST_VERSION = "application/vnd.dev.sigstore.bundle+json;version=0.1"
WITH_CHAIN = frozenset({FIRST_VERSION, "application/vnd.dev.sigstore.bundle+json;version=0.2"})
WITH_CERTIFICATE = frozenset(
    {
        "application/vnd.dev.sigstore.bundle+json;version=0.3",
        "application/vnd.dev.sigstore.bundle.v0.3+json",
    }
)


DIGESTS = {"SHA2_256": ("sha256", 32), "SHA2_384": ("sha384", 48), "SHA2_512": ("sha512", 64)}
"""Name of an algorithm in a bundle -> its name everywhere else, and its length in bytes."""


@dataclass(frozen=True, slots=True)
class FileDigest:
    """A file's digest by SHA-2, of which `algorithm` is the name as in `hashlib`."""

    algorithm: str
    value: bytes

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value.hex()}"


@dataclass(frozen=True, slots=True)
class MessageSignature:
    """A signature over a file, and the digest that the bundle gives for that file, if any."""

    signature: bytes
    digest: FileDigest | None


@dataclass(frozen=True, slots=True)
class Envelope:
    """A DSSE envelope with its one signature (https://github.com/secure-systems-lab/dsse)."""

    signature: bytes
    payload_type: str
    payload: bytes

    @property
    def signed_bytes(self) -> bytes:
        """The pre-authentication encoding, which is what the signature covers."""
        kind = self.payload_type.encode()
        return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(self.payload), self.payload)


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """A Merkle audit path (RFC 6962 §2.1.1) with the log checkpoint that signs its root."""

    index: int
    size: int
    root: bytes
    hashes: tuple[bytes, ...]
    checkpoint: str


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An entry of a transparency log; `integrated_time` (Unix seconds) stands with a promise."""

    index: int
    log_id: bytes
    kind: str
    version: str
    integrated_time: int | None
    promise: bytes | None
    proof: InclusionProof
    body: bytes


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a bundle holds: the certificate (DER), what was signed, the log entry, time stamps.

    Without an entry there is a time stamp; whether that is enough the trusted root decides.
    """

    media_type: str
    certificate: bytes
    chain: tuple[bytes, ...]
    content: MessageSignature | Envelope
    entry: LogEntry | None
    timestamps: tuple[bytes, ...]


def parse_bundle(content: bytes, what: str) -> Bundle:
    """Read a bundle from untrusted bytes; raises `CannotVerify` naming `what`."""
    if len(content) > BUNDLE_LIMIT_BYTES:
        raise CannotVerify(f"{what} is larger than {BUNDLE_LIMIT_BYTES} bytes")
    try:
        return read_bundle(parse_json_object(content, what), what)
    except InputError as error:
        raise CannotVerify(error.message, hint=error.hint) from error


def read_bundle(document: JsonObject, what: str) -> Bundle:
    """Read the top of a bundle."""
    media_type = document.get("mediaType")
    if not isinstance(media_type, str) or media_type not in WITH_CHAIN | WITH_CERTIFICATE:
        raise InputError(
            f"{what} is of the media type {show(media_type)!r}, which is no Sigstore bundle",
            hint="write it with a current Sigstore client (bundle version 0.3)",
        )
    known = {"mediaType", "verificationMaterial", "messageSignature", "dsseEnvelope"}
    message = read_object(document, what, known)
    known = {
        "publicKey",
        "x509CertificateChain",
        "certificate",
        "tlogEntries",
        "timestampVerificationData",
    }
    where = f"{what} verificationMaterial"
    material = read_object(message.get("verificationMaterial"), where, known)
    entries = read_list(material, "tlogEntries", where)
    if len(entries) > 1:
        raise InputError(f"{what} has {len(entries)} log entries, not one")
    entry = read_entry(entries[0], f"{what} tlogEntries[0]") if entries else None
    certificate, chain = read_certificates(material, where, single=media_type in WITH_CERTIFICATE)
    timestamps = read_timestamps(material.get("timestampVerificationData"), where)
    promise = None if entry is None else entry.promise
    if promise is None and media_type == FIRST_VERSION:
        raise InputError(f"{what} is of version 0.1 and has no inclusion promise")
    if promise is None and not timestamps:
        raise InputError(f"{what} has neither an inclusion promise nor a time stamp")
    content = read_content(message, what)
    return Bundle(media_type, certificate, chain, content, entry, timestamps)


def read_certificates(
    material: JsonObject, where: str, *, single: bool
) -> tuple[bytes, tuple[bytes, ...]]:
    """Return the signing certificate and whatever else an old bundle carries of its chain."""
    if "publicKey" in material:
        raise InputError(
            f"{where} names a bare key, not a certificate",
            hint="only keyless signatures are verified; they carry the signer's certificate",
        )
    wanted, other = ("certificate", "x509CertificateChain")[:: 1 if single else -1]
    if wanted not in material or other in material:
        raise InputError(f"{where} should have {wanted} and no {other}")
    if single:
        items = [material["certificate"]]
    else:
        known = {"certificates"}
        chain = read_object(material["x509CertificateChain"], where, known)
        items = read_list(chain, "certificates", where)
    if not 0 < len(items) <= MAX_CHAIN:
        raise InputError(f"{where} has {len(items)} certificates")
    first, *rest = (
        read_octets(read_object(item, where, {"rawBytes"}), "rawBytes", where) for item in items
    )
    return first, tuple(rest)


def read_content(message: JsonObject, what: str) -> MessageSignature | Envelope:
    """Return what was signed: a file by its digest, or a DSSE envelope."""
    if ("messageSignature" in message) == ("dsseEnvelope" in message):
        raise InputError(f"{what} should have one of messageSignature and dsseEnvelope")
    if "dsseEnvelope" in message:
        return read_envelope(message["dsseEnvelope"], f"{what} dsseEnvelope")
    where = f"{what} messageSignature"
    signature = read_object(message["messageSignature"], where, {"messageDigest", "signature"})
    digest = None
    if "messageDigest" in signature:
        known = {"algorithm", "digest"}
        stated = read_object(signature["messageDigest"], f"{where}.messageDigest", known)
        algorithm = read_text(stated, "algorithm", where)
        if algorithm not in DIGESTS:
            raise InputError(f"{where} uses {show(algorithm)}, not one of {', '.join(DIGESTS)}")
        name, size = DIGESTS[algorithm]
        digest = FileDigest(name, read_octets(stated, "digest", where))
        if len(digest.value) != size:
            raise InputError(f"{where} has a digest of {len(digest.value)} bytes, not {size}")
    return MessageSignature(read_octets(signature, "signature", where), digest)


def read_envelope(value: Any, where: str) -> Envelope:
    """Read a DSSE envelope that has exactly one signature."""
    message = read_object(value, where, {"payload", "payloadType", "signatures"})
    signatures = read_list(message, "signatures", where)
    if len(signatures) != 1:
        raise InputError(f"{where} has {len(signatures)} signatures, not one")
    signature = read_object(signatures[0], f"{where}.signatures[0]", {"sig", "keyid"})
    # A key id would be a claim that nothing signs; with a certificate there is no use for one.
    if signature.get("keyid", "") != "":
        raise InputError(f"{where} has a key id beside a certificate")
    return Envelope(
        read_octets(signature, "sig", where),
        read_text(message, "payloadType", where),
        read_octets(message, "payload", where),
    )


def read_timestamps(value: Any, where: str) -> tuple[bytes, ...]:
    """Return the RFC 3161 time-stamp responses (DER), none of them twice."""
    if value is None:
        return ()
    message = read_object(value, where, {"rfc3161Timestamps"})
    stamps = tuple(
        read_octets(read_object(item, where, {"signedTimestamp"}), "signedTimestamp", where)
        for item in read_list(message, "rfc3161Timestamps", where)
    )
    if len(stamps) > MAX_TIMESTAMPS or len(set(stamps)) != len(stamps):
        raise InputError(f"{where} has a time stamp twice, or more than {MAX_TIMESTAMPS}")
    return stamps


def read_entry(value: Any, where: str) -> LogEntry:
    """Read a TransparencyLogEntry, whose inclusion proof is required in every version."""
    known = {
        "logIndex",
        "logId",
        "kindVersion",
        "integratedTime",
        "inclusionPromise",
        "inclusionProof",
        "canonicalizedBody",
    }
    message = read_object(value, where, known)
    log = read_object(message.get("logId"), f"{where}.logId", {"keyId"})
    kind = read_object(message.get("kindVersion"), f"{where}.kindVersion", {"kind", "version"})
    proof = read_proof(message.get("inclusionProof"), f"{where}.inclusionProof")
    promise = None
    if "inclusionPromise" in message:
        known = {"signedEntryTimestamp"}
        inner = read_object(message["inclusionPromise"], where, known)
        promise = read_octets(inner, "signedEntryTimestamp", where)
    time = read_uint64(message, "integratedTime", where)
    if (promise is None) != (time == 0):
        # Only the promise covers the time, so either without the other says nothing.
        raise InputError(f"{where} has an integrated time without a promise, or the reverse")
    return LogEntry(
        index=read_uint64(message, "logIndex", where),
        log_id=read_octets(log, "keyId", where),
        kind=read_text(kind, "kind", where),
        version=read_text(kind, "version", where),
        integrated_time=time or None,
        promise=promise,
        proof=proof,
        body=read_octets(message, "canonicalizedBody", where),
    )


def read_proof(value: Any, where: str) -> InclusionProof:
    """Read an inclusion proof with its log checkpoint."""
    known = {"logIndex", "rootHash", "treeSize", "hashes", "checkpoint"}
    message = read_object(value, where, known)
    checkpoint = read_object(message.get("checkpoint"), f"{where}.checkpoint", {"envelope"})
    hashes = tuple(
        decode_octets(item if isinstance(item, str) else "", f"{where}.hashes")
        for item in read_list(message, "hashes", where)
    )
    root = read_octets(message, "rootHash", where)
    if len(hashes) > MAX_PROOF or any(len(item) != 32 for item in (root, *hashes)):
        raise InputError(f"{where} has hashes that are not SHA-256, or more than {MAX_PROOF}")
    index = read_uint64(message, "logIndex", where)
    size = read_uint64(message, "treeSize", where)
    if index >= size:
        raise InputError(f"{where} has the index {index} in a tree of {size}")
    return InclusionProof(index, size, root, hashes, read_text(checkpoint, "envelope", where))

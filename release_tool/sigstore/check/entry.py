"""The other half of step 5: the logged entry is about this very signature, key and content.

Compares the logged body with the one that the bundle's other parts lead to, as whole documents.
https://github.com/sigstore/rekor (hashedrekord, dsse), rekor-tiles for their version 0.0.2
"""

import base64
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from release_tool.core.documents import JsonObject, parse_json_object
from release_tool.core.errors import CannotVerify
from release_tool.sigstore.check.bundle import (
    DIGESTS,
    Bundle,
    Envelope,
    LogEntry,
    MessageSignature,
)
from release_tool.sigstore.check.certificate import SigningCertificate
from release_tool.sigstore.check.refusal import mismatch, reading
from release_tool.sigstore.check.signing import Algorithm

Cover = Callable[[Algorithm], bytes]
"""Gives what a way of signing signs: the digest of the file, or of an envelope's signed bytes."""


def check_entry(
    bundle: Bundle,
    entry: LogEntry,
    certificate: SigningCertificate,
    algorithms: tuple[Algorithm, ...],
    cover: Cover,
) -> tuple[Algorithm, ...]:
    """Refuse a log entry that was made for another signature (cf. CVE-2022-36056).

    Returns those of `algorithms` that the entry leaves, all of one digest.
    The kinds are those that logs take and clients verify. Rekor v2 took one more before its version
    2.3, dsse 0.0.2, which sigstore-js asks for still; sigstore-python and sigstore-java refuse it.
    """
    with reading("the log entry's body"):
        body = parse_json_object(entry.body, "the log entry's body")
    left: list[Algorithm] = []
    differences = []
    for algorithm in algorithms:
        if left and algorithm.hash != left[0].hash:
            continue
        spec = expected_spec(bundle, entry, certificate, body, algorithm, cover)
        expected = {"apiVersion": entry.version, "kind": entry.kind, "spec": spec}
        difference = first_difference(expected, body, "the log entry's body")
        if difference is None:
            left.append(algorithm)
        else:
            differences.append(difference)
    if not left:
        where, wanted, found = differences[0]
        raise mismatch(where, expected=wanted, actual=found)
    return tuple(left)


def expected_spec(
    bundle: Bundle,
    entry: LogEntry,
    certificate: SigningCertificate,
    body: JsonObject,
    algorithm: Algorithm,
    cover: Cover,
) -> JsonObject:
    """Give what a log notes of such a signature in an entry of that kind and version."""
    match (entry.kind, entry.version, bundle.content):
        case ("hashedrekord", "0.0.1", MessageSignature()) if algorithm.hash:
            return hashedrekord_v1(bundle, certificate, algorithm.hash, cover(algorithm))
        case ("hashedrekord", "0.0.2", _) if algorithm.hash:
            return hashedrekord_v2(bundle, certificate, algorithm, cover(algorithm))
        case ("dsse", "0.0.1", Envelope(payload=payload)):
            return dsse_v1(bundle, certificate, payload, body)
    by = "" if algorithm.hash else f" by keys of the kind {algorithm.details}"
    raise CannotVerify(f"log entries {entry.kind} {entry.version}{by} are not supported here")


def first_difference(expected: Any, actual: Any, where: str) -> tuple[str, Any, Any] | None:
    """Return where two JSON values differ first, and how; None where they are equal."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        if expected.keys() != actual.keys():
            return f"members of {where}", sorted(expected), sorted(actual)
        pairs = [(expected[key], actual[key], f"{where}.{key}") for key in expected]
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        pairs = [(*pair, where) for pair in zip(expected, actual, strict=True)]
    else:
        return None if expected == actual else (where, expected, actual)
    return next((found for pair in pairs if (found := first_difference(*pair))), None)


def base64_text(content: bytes) -> str:
    """Encode bytes as JSON carries them."""
    return base64.b64encode(content).decode()


@lru_cache(maxsize=128)
def pem_text(certificate: SigningCertificate) -> str:
    """Encode the certificate as Rekor v1 has it: base64 around PEM."""
    return base64_text(certificate.parsed.public_bytes(Encoding.PEM))


def verifier_v2(certificate: SigningCertificate, algorithm: Algorithm) -> JsonObject:
    """State the signer's certificate and algorithm as Rekor v2 does."""
    return {
        "keyDetails": algorithm.details,
        "x509Certificate": {"rawBytes": base64_text(certificate.der)},
    }


def hashedrekord_v1(
    bundle: Bundle, certificate: SigningCertificate, algorithm: str, digest: bytes
) -> JsonObject:
    """Give what Rekor v1 logs for a signed file."""
    return {
        "data": {"hash": {"algorithm": algorithm, "value": digest.hex()}},
        "signature": {
            "content": base64_text(bundle.content.signature),
            "publicKey": {"content": pem_text(certificate)},
        },
    }


def hashedrekord_v2(
    bundle: Bundle, certificate: SigningCertificate, algorithm: Algorithm, digest: bytes
) -> JsonObject:
    """Give what Rekor v2 logs for a signed file, or for an envelope's signed bytes."""
    name = next(name for name, known in DIGESTS.items() if known == (algorithm.hash, len(digest)))
    return {
        "hashedRekordV002": {
            "data": {"algorithm": name, "digest": base64_text(digest)},
            "signature": {
                "content": base64_text(bundle.content.signature),
                "verifier": verifier_v2(certificate, algorithm),
            },
        }
    }


def dsse_v1(
    bundle: Bundle, certificate: SigningCertificate, payload: bytes, body: JsonObject
) -> JsonObject:
    """Give what Rekor v1 logs for an envelope.

    Its `envelopeHash` is over JSON that was not kept, so that one is taken as it stands; payload,
    signature and certificate, which are all that the envelope says, are compared.
    """
    logged = body.get("spec")
    spec: JsonObject = {
        "payloadHash": {"algorithm": "sha256", "value": sha256(payload).hexdigest()},
        "signatures": [
            {"signature": base64_text(bundle.content.signature), "verifier": pem_text(certificate)}
        ],
    }
    if isinstance(logged, dict) and "envelopeHash" in logged:
        spec["envelopeHash"] = logged["envelopeHash"]
    return spec

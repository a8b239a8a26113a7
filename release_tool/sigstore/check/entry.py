"""The other half of step 5: the logged entry is about this very signature, key and content.

Compares the logged body with the one that the bundle's other parts lead to, as whole documents.
https://github.com/sigstore/rekor (hashedrekord, dsse), rekor-tiles for their version 0.0.2
"""

import base64
from functools import lru_cache
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from release_tool.core.digest import Sha256
from release_tool.core.documents import JsonObject, parse_json_object
from release_tool.core.errors import CannotVerify
from release_tool.sigstore.check.bundle import Bundle, Envelope, MessageSignature
from release_tool.sigstore.check.certificate import SigningCertificate
from release_tool.sigstore.check.refusal import mismatch, reading

KEY_DETAILS = "PKIX_ECDSA_P256_SHA_256"


def check_entry(bundle: Bundle, certificate: SigningCertificate, digest: Sha256) -> None:
    """Refuse a log entry that was made for another signature (cf. CVE-2022-36056).

    `digest` is of what the signature covers: the signed file, or an envelope's signed bytes.
    The kinds are those that logs take and clients verify. Rekor v2 took one more before its version
    2.3, dsse 0.0.2, which sigstore-js asks for still; sigstore-python and sigstore-java refuse it.
    """
    entry = bundle.entry
    with reading("the log entry's body"):
        body = parse_json_object(entry.body, "the log entry's body")
    match (entry.kind, entry.version, bundle.content):
        case ("hashedrekord", "0.0.1", MessageSignature()):
            expected = hashedrekord_v1(bundle, certificate, digest)
        case ("hashedrekord", "0.0.2", _):
            expected = hashedrekord_v2(bundle, certificate, digest)
        case ("dsse", "0.0.1", Envelope(payload=payload)):
            expected = dsse_v1(bundle, certificate, payload, body)
        case _:
            raise CannotVerify(f"log entries {entry.kind} {entry.version} are not supported here")
    difference = first_difference(expected, body, "the log entry's body")
    if difference is not None:
        where, wanted, found = difference
        raise mismatch(where, expected=wanted, actual=found)


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


def document(bundle: Bundle, spec: JsonObject) -> JsonObject:
    """Frame a body of the entry's own kind and version."""
    return {"apiVersion": bundle.entry.version, "kind": bundle.entry.kind, "spec": spec}


def base64_text(content: bytes) -> str:
    """Encode bytes as JSON carries them."""
    return base64.b64encode(content).decode()


@lru_cache(maxsize=128)
def pem_text(certificate: SigningCertificate) -> str:
    """Encode the certificate as Rekor v1 has it: base64 around PEM."""
    return base64_text(certificate.parsed.public_bytes(Encoding.PEM))


def verifier_v2(certificate: SigningCertificate) -> JsonObject:
    """State the signer's certificate and algorithm as Rekor v2 does."""
    return {
        "keyDetails": KEY_DETAILS,
        "x509Certificate": {"rawBytes": base64_text(certificate.der)},
    }


def hashedrekord_v1(bundle: Bundle, certificate: SigningCertificate, digest: Sha256) -> JsonObject:
    """Give the body that Rekor v1 logs for a signed file."""
    spec = {
        "data": {"hash": {"algorithm": "sha256", "value": digest.hex}},
        "signature": {
            "content": base64_text(bundle.content.signature),
            "publicKey": {"content": pem_text(certificate)},
        },
    }
    return document(bundle, spec)


def hashedrekord_v2(bundle: Bundle, certificate: SigningCertificate, digest: Sha256) -> JsonObject:
    """Give the body that Rekor v2 logs for a signed file, or for an envelope's signed bytes."""
    spec = {
        "hashedRekordV002": {
            "data": {"algorithm": "SHA2_256", "digest": base64_text(bytes.fromhex(digest.hex))},
            "signature": {
                "content": base64_text(bundle.content.signature),
                "verifier": verifier_v2(certificate),
            },
        }
    }
    return document(bundle, spec)


def dsse_v1(
    bundle: Bundle, certificate: SigningCertificate, payload: bytes, body: JsonObject
) -> JsonObject:
    """Give the body that Rekor v1 logs for an envelope.

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
    return document(bundle, spec)

"""The entries that a Rekor of API version 1 takes, checked and brought into canonical form.

The logs keep them, and sign what they promise about them.
"""

import hashlib
import json
import re
from typing import Any

from release_tool.core.documents import JsonObject, parse_json_object
from release_tool.rehearsal.exchange import Refusal
from release_tool.rehearsal.sigstore.fields import decode_base64, encode_base64, member
from release_tool.rehearsal.sigstore.signatures import check_digest, pre_authenticate, read_key

HEX = re.compile(r"(?:[0-9a-f]{2})+")
MAX_SIGNATURES = 16


def canonicalise(value: Any) -> bytes:
    """Write canonical JSON (RFC 8785), for documents of ASCII texts and small integers."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def check_entry(proposed: JsonObject) -> JsonObject:
    """Return what is logged for an entry that holds; raises `Refusal` or `InputError`."""
    spec = proposed.get("spec")
    match proposed.get("kind"), proposed.get("apiVersion"):
        case "hashedrekord", "0.0.1":
            checked = check_hashedrekord(spec)
        case "dsse", "0.0.1":
            checked = check_dsse(spec)
        case _:
            raise Refusal(400, "entries of this kind and version are not taken")
    return {"apiVersion": "0.0.1", "kind": proposed["kind"], "spec": checked}


def check_hashedrekord(spec: Any) -> JsonObject:
    """Check the signature over a digest."""
    algorithm = member(spec, "data", "hash", "algorithm")
    value = member(spec, "data", "hash", "value")
    if not isinstance(algorithm, str) or not isinstance(value, str) or not HEX.fullmatch(value):
        raise Refusal(400, "the digest is missing or not lowercase hexadecimal")
    signature = decode_base64(member(spec, "signature", "content"), "the signature")
    pem = decode_base64(member(spec, "signature", "publicKey", "content"), "the certificate")
    check_digest(read_key(pem), signature, bytes.fromhex(value), algorithm)
    return {
        "data": {"hash": {"algorithm": algorithm, "value": value}},
        "signature": {
            "content": encode_base64(signature),
            "publicKey": {"content": encode_base64(pem)},
        },
    }


def check_dsse(spec: Any) -> JsonObject:
    """Check that each signature of an envelope holds under one of the verifiers."""
    text = member(spec, "proposedContent", "envelope")
    verifiers = member(spec, "proposedContent", "verifiers")
    if not isinstance(text, str) or not isinstance(verifiers, list) or not verifiers:
        raise Refusal(400, "the envelope or its verifiers are missing")
    envelope = parse_json_object(text.encode(), "the envelope")
    payload = decode_base64(envelope.get("payload"), "the payload")
    kind, signatures = envelope.get("payloadType"), envelope.get("signatures")
    if not isinstance(kind, str) or not isinstance(signatures, list) or not signatures:
        raise Refusal(400, "the envelope has no type or no signature")
    if max(len(verifiers), len(signatures)) > MAX_SIGNATURES:
        raise Refusal(400, f"the envelope has more than {MAX_SIGNATURES} signatures or verifiers")
    digest = hashlib.sha256(pre_authenticate(kind, payload)).digest()
    pems = [decode_base64(one, "a verifier") for one in verifiers]
    checked = [
        find_verifier(decode_base64(member(one, "sig"), "a signature"), digest, pems)
        for one in signatures
    ]
    return {
        "envelopeHash": {"algorithm": "sha256", "value": hashlib.sha256(text.encode()).hexdigest()},
        "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
        "signatures": sorted(checked, key=lambda one: one["signature"]),
    }


def find_verifier(signature: bytes, digest: bytes, pems: list[bytes]) -> dict[str, str]:
    """Find the verifier under which a signature holds; raises `Refusal` 400."""
    for pem in pems:
        key = read_key(pem)
        try:
            check_digest(key, signature, digest, "sha256")
        except Refusal:
            continue
        return {"signature": encode_base64(signature), "verifier": encode_base64(pem)}
    raise Refusal(400, "a signature of the envelope holds under no verifier")

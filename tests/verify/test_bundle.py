"""Bundles that are malformed, old, too large or of another kind are told from bad signatures."""

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from release_tool.core.errors import CannotVerify, InputError
from release_tool.core.limits import BUNDLE_LIMIT_BYTES
from release_tool.sigstore.check.bundle import Envelope, parse_bundle
from release_tool.sigstore.check.fields import (
    decode_octets,
    decode_uint64,
    read_list,
    read_moment,
    read_object,
)

STAMPS = ("verificationMaterial", "timestampVerificationData")
STAMP = {"signedTimestamp": "AAAA"}
ENTRY = ("verificationMaterial", "tlogEntries", 0)
PROOF = (*ENTRY, "inclusionProof")
REMOVE = object()
CHAIN = {"certificates": [{"rawBytes": "AAAA"}]}


def edit(bundle: bytes, path: tuple[Any, ...], value: Any) -> bytes:
    document = json.loads(bundle)
    place = document
    for key in path[:-1]:
        place = place[key]
    if value is REMOVE:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe{}", "not valid JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "of the media type 'None'"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "nested more than"),
        (b'{"mediaType": "x", "mediaType": "y"}', "duplicate key"),
        (b"MEUCIQDsignaturebase64", "not valid JSON"),
        (b"<!DOCTYPE html><html></html>", "not valid JSON"),
        (b'{"base64Signature": "x", "cert": "y", "rekorBundle": {}}', "no Sigstore bundle"),
        (b" " * (BUNDLE_LIMIT_BYTES + 1), "is larger than"),
    ],
)
def test_what_is_no_bundle_is_said_to_be_none(content, reason):
    with pytest.raises(CannotVerify, match=reason):
        parse_bundle(content, "the bundle")


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("mediaType",), "application/vnd.dev.sigstore.bundle+json;version=0.9", "media type"),
        (("mediaType",), "application/vnd.dev.sigstore.bundle+json;version=0.2", "have x509"),
        (("extra",), 1, "unknown field 'extra'"),
        (("verificationMaterial",), REMOVE, "is not an object"),
        (("verificationMaterial", "certificate"), REMOVE, "should have certificate"),
        (("verificationMaterial", "x509CertificateChain"), CHAIN, "no x509CertificateChain"),
        (("verificationMaterial", "publicKey"), {"hint": "x"}, "a bare key"),
        (("verificationMaterial", "tlogEntries"), [], "has no log entry, and the trusted root"),
        (("verificationMaterial", "tlogEntries"), [{}, {}], "2 log entries"),
        (("verificationMaterial", "tlogEntries"), {}, "not a list"),
        ((*ENTRY, "logId", "keyId"), "AAA!", "not base64"),
        ((*ENTRY, "logId", "keyId"), "AB==", "canonical"),
        ((*ENTRY, "logId", "keyId"), 7, "missing or no string"),
        ((*ENTRY, "logIndex"), 7, "missing or no string"),
        ((*ENTRY, "logIndex"), "-1", "not an unsigned 64-bit"),
        ((*ENTRY, "logIndex"), "1_0", "not an unsigned 64-bit"),
        ((*ENTRY, "logIndex"), "007", "not an unsigned 64-bit"),
        ((*ENTRY, "logIndex"), "18446744073709551616", "not an unsigned 64-bit"),
        ((*ENTRY, "logIndex"), "٣", "not an unsigned 64-bit"),
        ((*ENTRY, "kindVersion"), {"kind": "a"}, "version is missing"),
        ((*ENTRY, "surprise"), 1, "unknown field"),
        (PROOF, REMOVE, "inclusionProof is not an object"),
        ((*PROOF, "checkpoint"), REMOVE, "checkpoint is not an object"),
        ((*PROOF, "rootHash"), "AAAA", "not SHA-256"),
        ((*PROOF, "hashes"), ["AAAA"], "not SHA-256"),
        ((*PROOF, "hashes"), [7], "is empty or not in canonical"),
        ((*PROOF, "hashes"), ["A" * 43 + "="] * 65, "more than 64"),
        ((*PROOF, "treeSize"), "0", "in a tree of 0"),
        ((*PROOF, "checkpoint", "envelope"), "nothing", "log checkpoint is malformed"),
        ((*PROOF, "checkpoint", "envelope"), "a\n1\nAAAA\n\nx\n", "malformed signature"),
        ((*PROOF, "checkpoint", "envelope"), "a\nx\nAAAA\n\n— a b\n", "unsigned 64-bit"),
        ((*PROOF, "checkpoint", "envelope"), "a\n1\nAAAA\n\n— a !\n", "not base64"),
        (("messageSignature",), REMOVE, "one of messageSignature and dsseEnvelope"),
        (("messageSignature", "signature"), "", "empty"),
        (("messageSignature", "messageDigest", "algorithm"), "SHA3_256", "uses SHA3_256"),
        (("messageSignature", "messageDigest", "digest"), "AAAA", "a digest of 3 bytes, not 32"),
        (("verificationMaterial", "certificate", "rawBytes"), "AAAA", "certificate is malformed"),
        (STAMPS, {"rfc3161Timestamps": [STAMP]}, "a time stamp is malformed"),
        (STAMPS, {"rfc3161Timestamps": [STAMP] * 2}, "twice"),
    ],
)  # fmt: skip
def test_a_malformed_part_is_named(v1, message_bundles, path, value, reason):
    with pytest.raises(CannotVerify, match=re.escape(reason)):
        v1.verify(edit(message_bundles["v1"], path, value))


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("dsseEnvelope", "signatures"), [], "0 signatures"),
        (("dsseEnvelope", "signatures", 0, "keyid"), "key", "a key id beside"),
        (("dsseEnvelope", "payload"), REMOVE, "payload is missing"),
        (("dsseEnvelope", "payload"), "e30=", "statement's type"),
    ],
)
def test_a_malformed_envelope_is_named(v1, statement_bundles, path, value, reason):
    with pytest.raises(CannotVerify, match=reason):
        v1.verify(edit(statement_bundles["v1"], path, value))


def test_an_old_bundle_with_a_chain_is_read_and_surplus_certificates_must_be_the_roots(
    v1, message_bundles
):
    document = json.loads(message_bundles["v1"])
    material = document["verificationMaterial"]
    document["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.2"
    leaf = material.pop("certificate")
    material["x509CertificateChain"] = {"certificates": [leaf]}
    v1.verify(json.dumps(document).encode())
    root = json.loads(v1.stack.trusted_root)
    above = root["certificateAuthorities"][0]["certChain"]["certificates"]
    material["x509CertificateChain"] = {"certificates": [leaf, *above]}
    v1.verify(json.dumps(document).encode())
    material["x509CertificateChain"] = {"certificates": [leaf, leaf]}
    from release_tool.core.errors import NotVerified

    with pytest.raises(NotVerified, match="a certificate that the trusted root does not have"):
        v1.verify(json.dumps(document).encode())
    material["x509CertificateChain"] = {"certificates": []}
    with pytest.raises(CannotVerify, match="0 certificates"):
        v1.verify(json.dumps(document).encode())


def test_a_bundle_of_version_0_1_must_have_the_logs_promise(v1, message_bundles):
    document = json.loads(message_bundles["v1"])
    material = document["verificationMaterial"]
    document["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.1"
    material["x509CertificateChain"] = {"certificates": [material.pop("certificate")]}
    v1.verify(json.dumps(document).encode())
    for name in ("inclusionPromise", "integratedTime"):
        del material["tlogEntries"][0][name]
    assert material["timestampVerificationData"], "a time stamp alone is not enough"
    with pytest.raises(CannotVerify, match=r"of version 0\.1 and has no inclusion promise"):
        v1.verify(json.dumps(document).encode())
    document["mediaType"] = document["mediaType"].replace("0.1", "0.2")
    v1.verify(json.dumps(document).encode())


def test_null_members_count_as_absent(v1, message_bundles):
    v1.verify(edit(message_bundles["v1"], ("dsseEnvelope",), None))


def test_the_pre_authentication_encoding_is_the_specifications():
    envelope = Envelope(b"", "http://example.com/HelloWorld", b"hello world")
    assert envelope.signed_bytes == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


@settings(max_examples=200)
@given(st.binary(max_size=400))
def test_random_bytes_are_refused_as_unreadable(content):
    with pytest.raises(CannotVerify):
        parse_bundle(content, "the bundle")


@given(st.binary(min_size=1, max_size=60))
def test_base64_has_one_spelling(content):
    import base64

    text = base64.b64encode(content).decode()
    assert decode_octets(text, "x") == content
    for other in (text + "\n", text.rstrip("=") + "==="):
        with pytest.raises(InputError):
            decode_octets(other, "x")


@given(st.integers(0, 2**64 - 1))
def test_a_number_has_one_spelling(number):
    assert decode_uint64(str(number), "x") == number
    for other in (f"0{number}", f"+{number}", f" {number}", f"{number}.0"):
        with pytest.raises(InputError):
            decode_uint64(other, "x")


def test_readers_refuse_other_types():
    with pytest.raises(InputError, match="not an object"):
        read_object([], "x")
    with pytest.raises(InputError, match="more than"):
        read_list({"a": [0] * 2000}, "a", "x")
    with pytest.raises(InputError, match="not a time stamp"):
        read_moment({"a": "yesterday"}, "a", "x")
    with pytest.raises(InputError, match="time zone"):
        read_moment({"a": "2026-01-01T00:00:00"}, "a", "x")

"""Rekor v2 logs what is well signed, once, and serves its tree as tiles."""

import base64
import hashlib
import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from tests.standins.sigstore import start_whole_sigstore

REQUEST = "hashedRekordRequestV002"
VERIFIER = f"{REQUEST}.signature.verifier"


@pytest.fixture(scope="module")
def url(stack_v2):
    return f"{stack_v2.urls['rekor']}/api/v2"


@pytest.fixture
def send(web, url):
    def send(entry):
        return web.post(f"{url}/log/entries", json=entry)

    return send


def read_checkpoint(text, stack):
    """Check a log checkpoint's signature and key id (C2SP signed-note); return size and root."""
    note, _, signatures = text.partition("\n\n")
    _dash, name, signature = signatures.removesuffix("\n").split(" ")
    key = load_der_public_key(stack.rekor.key.spki)
    assert isinstance(key, ed25519.Ed25519PublicKey)
    named = name.encode() + b"\n\x01" + key.public_bytes_raw()
    signature = base64.b64decode(signature)
    assert signature[:4] == hashlib.sha256(named).digest()[:4]
    key.verify(signature[4:], f"{note}\n".encode())
    origin, size, root = note.split("\n")
    assert origin == name
    assert name == "127.0.0.1"  # the host alone: clients take it from the URL without its port
    return int(size), base64.b64decode(root)


def test_entries_are_proved_while_the_log_grows(send, hashedrekord2, stack_v2, check_inclusion):
    for index in range(9):
        answer = send(hashedrekord2(b"growing %d" % index))
        assert answer.status_code == 201
        entry = answer.json()
        proof = entry["inclusionProof"]
        size, root = read_checkpoint(proof["checkpoint"]["envelope"], stack_v2)
        assert (str(size), root) == (proof["treeSize"], base64.b64decode(proof["rootHash"]))
        leaf = hashlib.sha256(b"\x00" + base64.b64decode(entry["canonicalizedBody"])).digest()
        path = [base64.b64decode(one) for one in proof["hashes"]]
        assert check_inclusion(int(proof["logIndex"]), size, leaf, path, root)
        assert entry["kindVersion"] == {"kind": "hashedrekord", "version": "0.0.2"}
        assert (entry["integratedTime"], entry["inclusionPromise"]) == ("0", None)


def test_a_duplicate_is_refused_with_409(send, hashedrekord2):
    entry = hashedrekord2(b"twice")
    index = send(entry).json()["logIndex"]
    answer = send(entry)
    assert answer.status_code == 409
    assert answer.json()["code"] == 6
    assert answer.json()["message"].endswith(f"with index {index}")


def test_tiles_and_entries_rebuild_the_tree(web, url, send, hashedrekord2, stack_v2):
    send(hashedrekord2(b"tile"))
    size, root = read_checkpoint(web.get(f"{url}/checkpoint").text, stack_v2)
    tile = web.get(f"{url}/tile/0/000.p/{size}").content
    assert len(tile) == 32 * size
    assert stack_v2.rekor.tree.root(size) == root
    content = web.get(f"{url}/tile/entries/000.p/{size}").content
    position = 0
    for index in range(size):
        length = int.from_bytes(content[position : position + 2], "big")
        body = content[position + 2 : position + 2 + length]
        assert json.loads(body)["kind"] == "hashedrekord"
        leaf = tile[32 * index : 32 * index + 32]
        assert hashlib.sha256(b"\x00" + body).digest() == leaf
        position += 2 + length
    assert position == len(content)


@pytest.mark.parametrize(
    "path",
    ["0/000", "0/x001/000", "1/000.p/1", "x/000", "0/abc", "0/000.p/x", "entries/000", "entries/a"],
)
def test_tiles_that_are_not_there_are_not_found(web, url, send, hashedrekord2, path):
    send(hashedrekord2(b"any"))
    answer = web.get(f"{url}/tile/{path}")
    assert answer.status_code == 404
    assert answer.json()["code"] == 5


def test_other_curves_are_taken(send, issue):
    key = ec.generate_private_key(ec.SECP384R1())
    raw = base64.b64encode(issue(key)[0].public_bytes(Encoding.DER)).decode()
    verifier = {"x509Certificate": {"rawBytes": raw}, "keyDetails": "PKIX_ECDSA_P384_SHA_384"}
    signed = base64.b64encode(key.sign(b"x", ec.ECDSA(hashes.SHA384()))).decode()
    digest = base64.b64encode(hashlib.sha384(b"x").digest()).decode()
    request = {"digest": digest, "signature": {"content": signed, "verifier": verifier}}
    answer = send({REQUEST: request})
    assert answer.status_code == 201
    logged = json.loads(base64.b64decode(answer.json()["canonicalizedBody"]))
    assert logged["spec"]["hashedRekordV002"]["signature"]["verifier"] == verifier


def test_a_signature_over_other_content_is_refused(send, hashedrekord2, change):
    other = hashedrekord2(b"other")[REQUEST]["signature"]["content"]
    answer = send(change(hashedrekord2(b"signed"), f"{REQUEST}.signature.content", other))
    assert answer.status_code == 400
    assert answer.json()["message"] == "the signature does not cover the digest"


ED25519 = base64.b64encode(
    ed25519.Ed25519PrivateKey.generate()
    .public_key()
    .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (REQUEST, None),
        (REQUEST, 7),
        (f"{REQUEST}.digest", "!"),
        (f"{REQUEST}.digest", "AAAA"),
        (f"{REQUEST}.signature", {}),
        (f"{REQUEST}.signature.content", None),
        (f"{VERIFIER}.keyDetails", "PKIX_ECDSA_P384_SHA_384"),
        (f"{VERIFIER}.keyDetails", "PKIX_ED25519"),
        (f"{VERIFIER}.keyDetails", None),
        (f"{VERIFIER}.keyDetails", []),
        (f"{VERIFIER}.x509Certificate", {"rawBytes": "AAAA"}),
        (VERIFIER, {"publicKey": {"rawBytes": "AAAA"}}),
        (VERIFIER, {"publicKey": {"rawBytes": ED25519}, "keyDetails": "PKIX_ED25519"}),
    ],
)
def test_malformed_entries_are_refused(send, hashedrekord2, change, path, value):
    answer = send(change(hashedrekord2(b"malformed"), path, value))
    assert answer.status_code == 400
    assert answer.json()["code"] == 3


PAYLOAD_TYPE = "application/vnd.in-toto+json"


@pytest.fixture
def make_envelope(leaf, signing_key):
    """Return a function that makes a request to log an envelope, as clients of Rekor 2.0 do."""

    def make_envelope(payload):
        signed = b"DSSEv1 %d %b %d %b" % (
            len(PAYLOAD_TYPE),
            PAYLOAD_TYPE.encode(),
            len(payload),
            payload,
        )
        signature = signing_key.sign(signed, ec.ECDSA(hashes.SHA256()))
        raw = base64.b64encode(leaf.public_bytes(Encoding.DER)).decode()
        return {
            "dsseRequestV002": {
                "envelope": {
                    "payload": base64.b64encode(payload).decode(),
                    "payloadType": PAYLOAD_TYPE,
                    "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
                },
                "verifiers": [
                    {
                        "x509Certificate": {"rawBytes": raw},
                        "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    }
                ],
            }
        }

    return make_envelope


@pytest.fixture(scope="module")
def early():
    with start_whole_sigstore(rekor="v2", takes_envelopes=True) as stack:
        yield f"{stack.urls['rekor']}/api/v2/log/entries"


def test_an_envelope_is_logged_where_the_log_is_an_early_one(web, send, early, make_envelope):
    request = make_envelope(b"{}")
    answer = web.post(early, json=request)
    assert answer.status_code == 201
    assert answer.json()["kindVersion"] == {"kind": "dsse", "version": "0.0.2"}
    body = json.loads(base64.b64decode(answer.json()["canonicalizedBody"]))
    spec = body["spec"]["dsseV002"]
    inner = request["dsseRequestV002"]
    assert base64.b64decode(spec["payloadHash"]["digest"]) == hashlib.sha256(b"{}").digest()
    (logged,) = spec["signatures"]
    assert logged["content"] == inner["envelope"]["signatures"][0]["sig"]
    assert logged["verifier"] == inner["verifiers"][0]
    later = send(request)
    assert later.status_code == 400
    assert later.json()["message"] == "invalid type, must be hashedrekord"


OTHER = base64.b64encode(b"other").decode()


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("envelope", 7, "the payload is missing"),
        ("envelope.payload", OTHER, "under no verifier"),
        ("envelope.payloadType", "another", "under no verifier"),
        ("envelope.payloadType", None, "no type or no signature"),
        ("envelope.signatures", [], "no type or no signature"),
        ("envelope.signatures", [{}], "a signature is missing"),
        ("envelope.signatures", [{"sig": OTHER}] * 11, "more than 10"),
        ("verifiers", [], "missing verifiers"),
        ("verifiers", [{}], "the certificate is missing"),
    ],
)
def test_an_envelope_whose_signatures_do_not_hold_is_refused(
    web, early, make_envelope, change, path, value, reason
):
    request = change(make_envelope(b"{}"), f"dsseRequestV002.{path}", value)
    answer = web.post(early, json=request)
    assert answer.status_code == 400
    assert reason in answer.json()["message"]


def test_malformed_json_and_large_bodies_are_refused(web, url):
    assert web.post(f"{url}/log/entries", content=b"{").status_code == 400
    assert web.post(f"{url}/log/entries", content=b" " * (9 * 2**20)).status_code == 413

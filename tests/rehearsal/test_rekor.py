"""Rekor v1 logs what is well signed, once, promises it and proves it."""

import base64
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

HASH = "spec.data.hash"
SIGNATURE = "spec.signature"


@pytest.fixture(scope="module")
def url(stack_v1):
    return f"{stack_v1.urls['rekor']}/api/v1/log"


@pytest.fixture
def send(web, url):
    def send(entry):
        return web.post(f"{url}/entries", json=entry)

    return send


@pytest.fixture
def log_key(web, url):
    return load_pem_public_key(web.get(f"{url}/publicKey").content)


@pytest.fixture
def dsse(leaf, signing_key):
    """Return a function that makes a DSSE entry over a payload of its own."""

    def dsse(payload, kind="application/vnd.in-toto+json", signed=None):
        covered = b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(payload), payload)
        signature = signing_key.sign(signed or covered, ec.ECDSA(hashes.SHA256()))
        envelope = {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": kind,
            "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
        }
        verifier = base64.b64encode(leaf.public_bytes(Encoding.PEM)).decode()
        content = {"envelope": json.dumps(envelope), "verifiers": [verifier]}
        return {"apiVersion": "0.0.1", "kind": "dsse", "spec": {"proposedContent": content}}

    return dsse


def only(answer):
    ((uuid, entry),) = answer.json().items()
    return uuid, entry


def check_entry(entry, log_key, check_inclusion):
    """Verify promise, log checkpoint and proof of an entry as the specification asks."""
    promised = {name: entry[name] for name in ("body", "integratedTime", "logID", "logIndex")}
    message = json.dumps(promised, sort_keys=True, separators=(",", ":")).encode()
    promise = base64.b64decode(entry["verification"]["signedEntryTimestamp"])
    log_key.verify(promise, message, ec.ECDSA(hashes.SHA256()))
    proof = entry["verification"]["inclusionProof"]
    text, _, signatures = proof["checkpoint"].partition("\n\n")
    dash, name, signature = signatures.removesuffix("\n").split(" ")
    signature = base64.b64decode(signature)
    assert dash == "\N{EM DASH}"
    assert signature[:4].hex() == entry["logID"][:8]
    log_key.verify(signature[4:], f"{text}\n".encode(), ec.ECDSA(hashes.SHA256()))
    origin, size, root = text.split("\n")
    assert origin.startswith(f"{name} - ")
    assert int(size) == proof["treeSize"]
    assert base64.b64decode(root).hex() == proof["rootHash"]
    leaf = hashlib.sha256(b"\x00" + base64.b64decode(entry["body"])).digest()
    path = [bytes.fromhex(one) for one in proof["hashes"]]
    assert check_inclusion(
        proof["logIndex"], int(size), leaf, path, bytes.fromhex(proof["rootHash"])
    )
    return name


def test_entries_are_promised_and_proved_while_the_log_grows(
    send, hashedrekord, log_key, check_inclusion, url
):
    for index in range(9):
        answer = send(hashedrekord(b"growing %d" % index))
        assert answer.status_code == 201
        uuid, entry = only(answer)
        name = check_entry(entry, log_key, check_inclusion)
        assert name in url
        assert answer.headers["Location"] == f"/api/v1/log/entries/{uuid}"
        assert answer.headers["ETag"] == uuid


def test_entries_that_arrive_at_once_are_all_logged_and_proved(
    send, hashedrekord, log_key, check_inclusion
):
    entries = [hashedrekord(b"at once %d" % index) for index in range(24)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, [*entries, *entries]))
    logged = [only(answer)[1] for answer in answers if answer.status_code == 201]
    assert len(logged) == 24
    assert len({entry["logIndex"] for entry in logged}) == 24
    assert sum(answer.status_code == 409 for answer in answers) == 24
    for entry in logged:
        check_entry(entry, log_key, check_inclusion)


def test_the_log_s_id_is_the_digest_of_its_key(send, hashedrekord, log_key):
    der = log_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    _uuid, entry = only(send(hashedrekord(b"identifier")))
    assert entry["logID"] == hashlib.sha256(der).hexdigest()


def test_an_entry_is_found_again_by_uuid_and_index(
    web, url, send, hashedrekord, log_key, check_inclusion
):
    uuid, entry = only(send(hashedrekord(b"found again")))
    send(hashedrekord(b"one more"))
    for answer in (
        web.get(f"{url}/entries/{uuid}"),
        web.get(f"{url}/entries/{uuid[16:]}"),
        web.get(f"{url}/entries", params={"logIndex": entry["logIndex"]}),
    ):
        found, again = only(answer)
        assert (found, again["body"]) == (uuid, entry["body"])
        check_entry(again, log_key, check_inclusion)
    assert web.get(f"{url}/entries/{'0' * 80}").status_code == 404
    assert web.get(f"{url}/entries", params={"logIndex": 99999}).status_code == 404
    assert web.get(f"{url}/entries", params={"logIndex": "x"}).status_code == 400


def test_a_duplicate_is_refused_with_409_and_its_place(send, hashedrekord, dsse):
    for entry in (hashedrekord(b"twice"), dsse(b"twice")):
        uuid, _entry = only(send(entry))
        answer = send(entry)
        assert answer.status_code == 409
        assert uuid in answer.json()["message"]
        assert answer.json()["code"] == 409
        assert answer.headers["Location"].endswith(uuid)


def test_the_log_grows_consistently(web, url, send, hashedrekord, check_consistency):
    send(hashedrekord(b"before"))
    old = web.get(url).json()
    for index in range(5):
        send(hashedrekord(b"after %d" % index))
    new = web.get(url).json()
    sizes = {"firstSize": old["treeSize"], "lastSize": new["treeSize"]}
    proof = web.get(f"{url}/proof", params=sizes).json()
    assert proof["rootHash"] == new["rootHash"]
    path = [bytes.fromhex(one) for one in proof["hashes"]]
    roots = [bytes.fromhex(one["rootHash"]) for one in (old, new)]
    assert check_consistency(old["treeSize"], new["treeSize"], path, *roots)
    assert web.get(f"{url}/proof", params={"firstSize": 0, "lastSize": 1}).status_code == 400
    assert web.get(f"{url}/proof", params={"firstSize": 1, "lastSize": 9999}).status_code == 400


def test_a_dsse_entry_names_digests_signature_and_verifier(send, dsse, log_key, check_inclusion):
    proposed = dsse(b"a statement")
    _uuid, entry = only(send(proposed))
    check_entry(entry, log_key, check_inclusion)
    spec = json.loads(base64.b64decode(entry["body"]))["spec"]
    content = proposed["spec"]["proposedContent"]
    envelope = content["envelope"]
    assert spec["envelopeHash"]["value"] == hashlib.sha256(envelope.encode()).hexdigest()
    assert spec["payloadHash"]["value"] == hashlib.sha256(b"a statement").hexdigest()
    assert spec["signatures"] == [
        {
            "signature": json.loads(envelope)["signatures"][0]["sig"],
            "verifier": content["verifiers"][0],
        }
    ]


def test_other_curves_and_digests_are_taken(send, hashedrekord, change, issue):
    key = ec.generate_private_key(ec.SECP384R1())
    pem = issue(key)[0].public_bytes(Encoding.PEM)
    signature = key.sign(b"x", ec.ECDSA(hashes.SHA384()))
    entry = hashedrekord(b"x")
    digest = {"algorithm": "sha384", "value": hashlib.sha384(b"x").hexdigest()}
    entry = change(entry, HASH, digest)
    entry = change(entry, f"{SIGNATURE}.content", base64.b64encode(signature).decode())
    entry = change(entry, f"{SIGNATURE}.publicKey.content", base64.b64encode(pem).decode())
    assert send(entry).status_code == 201


@pytest.mark.parametrize("kind", ["bare", "RSA"])
def test_only_certificates_of_curves_are_taken(send, hashedrekord, change, issue, kind):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    bare = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    pem = bare if kind == "bare" else issue(key)[0].public_bytes(Encoding.PEM)
    content = base64.b64encode(pem).decode()
    answer = send(change(hashedrekord(b"x"), f"{SIGNATURE}.publicKey.content", content))
    assert answer.status_code == 400
    assert "certificate" in answer.json()["message"] or "kind" in answer.json()["message"]


def test_a_signature_over_other_content_is_refused(send, hashedrekord, dsse, change):
    other = hashedrekord(b"other")["spec"]["signature"]["content"]
    wrong = change(hashedrekord(b"signed"), f"{SIGNATURE}.content", other)
    answer = send(wrong)
    assert answer.status_code == 400
    assert answer.json() == {"code": 400, "message": "the signature does not cover the digest"}
    answer = send(dsse(b"signed", signed=b"other"))
    assert answer.status_code == 400
    assert "no verifier" in answer.json()["message"]


ED25519 = ed25519.Ed25519PrivateKey.generate().public_key()
ED25519_PEM = base64.b64encode(
    ED25519.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
).decode()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("kind", "rekord"),
        ("apiVersion", "0.0.2"),
        ("spec", None),
        ("spec", []),
        (f"{HASH}.algorithm", "sha1"),
        (f"{HASH}.algorithm", "sha512"),
        (f"{HASH}.algorithm", None),
        (f"{HASH}.value", "AB" * 32),
        (f"{HASH}.value", "abc"),
        (f"{HASH}.value", 7),
        (f"{SIGNATURE}.content", "!"),
        (f"{SIGNATURE}.content", ""),
        (f"{SIGNATURE}.content", "\u00e9"),
        (f"{SIGNATURE}.publicKey", {}),
        (f"{SIGNATURE}.publicKey.content", base64.b64encode(b"no key").decode()),
        (f"{SIGNATURE}.publicKey.content", ED25519_PEM),
        (
            f"{SIGNATURE}.publicKey.content",
            base64.b64encode(b"-----BEGIN CERTIFICATE-----\nAAAA").decode(),
        ),
    ],
)
def test_malformed_hashedrekords_are_refused(send, hashedrekord, change, path, value):
    answer = send(change(hashedrekord(b"malformed"), path, value))
    assert answer.status_code == 400
    assert answer.json()["code"] == 400


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec", {}),
        ("spec.proposedContent.envelope", "{"),
        ("spec.proposedContent.envelope", "[]"),
        ("spec.proposedContent.envelope", "{}"),
        ("spec.proposedContent.envelope", '{"payload":"","payloadType":7,"signatures":[]}'),
        ("spec.proposedContent.envelope", '{"payload":"","payloadType":"a","signatures":[]}'),
        ("spec.proposedContent.envelope", '{"payload":"","payloadType":"a","signatures":[{}]}'),
        ("spec.proposedContent.verifiers", []),
        ("spec.proposedContent.verifiers", ["!"]),
        ("spec.proposedContent.verifiers", [7]),
        ("spec.proposedContent.verifiers", ["QQ=="]),
        ("spec.proposedContent.verifiers", ["QQ=="] * 17),
    ],
)
def test_malformed_envelopes_are_refused(send, dsse, change, path, value):
    assert send(change(dsse(b"malformed"), path, value)).status_code == 400


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff"])
def test_malformed_json_is_refused(web, url, content):
    assert web.post(f"{url}/entries", content=content).status_code == 400


def test_a_body_too_large_is_refused(web, url):
    assert web.post(f"{url}/entries", content=b" " * (9 * 2**20)).status_code == 413

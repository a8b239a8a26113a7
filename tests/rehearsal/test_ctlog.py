"""The CT log signs what is in it: the certificate without its SCT is the precertificate's body."""

import base64
import hashlib
import struct
from datetime import UTC

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from release_tool.rehearsal.sigstore.authority import Authority
from tests.standins.ctlog import POISON
from tests.standins.sigstore import start_whole_sigstore

POISONED = x509.PrecertPoison()


@pytest.fixture(scope="module")
def url(stack_v1):
    return f"{stack_v1.urls['fulcio']}/ct/v1"


@pytest.fixture
def embedded(leaf):
    found = leaf.extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps)
    (sct,) = found.value
    return sct


@pytest.fixture
def authority(stack_v1):
    return stack_v1.fulcio.authority


@pytest.fixture
def make_precertificate(stack_v1, signing_key):
    def make_precertificate(authority, poison=POISONED, *, critical=True):
        now = stack_v1.ctlog.clock()
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(authority.certificate.subject)
            .public_key(signing_key.public_key())
            .serial_number(1)
            .not_valid_before(now)
            .not_valid_after(now)
        )
        if poison is not None:
            builder = builder.add_extension(poison, critical=critical)
        return builder.sign(authority.private, hashes.SHA384())

    return make_precertificate


def read_log_key(stack):
    key = load_der_public_key(stack.ctlog.key.spki)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


def submission(*certificates):
    chain = [base64.b64encode(one.public_bytes(Encoding.DER)).decode() for one in certificates]
    return {"chain": chain}


def test_the_sct_covers_the_certificate_and_its_issuer(
    leaf, issue, signing_key, embedded, stack_v1
):
    _leaf, intermediate, _root = issue(signing_key)
    issuer_key = intermediate.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    tbs = leaf.tbs_precertificate_bytes
    assert embedded.log_id == hashlib.sha256(stack_v1.ctlog.key.spki).digest()
    # The library drops the zone of the time, which is UTC.
    moment = embedded.timestamp.replace(tzinfo=UTC)
    timestamp = round(moment.timestamp() * 1000)
    signed = (
        struct.pack(">BBQH", 0, 0, timestamp, 1)
        + hashlib.sha256(issuer_key).digest()
        + len(tbs).to_bytes(3, "big")
        + tbs
        + b"\x00\x00"
    )
    read_log_key(stack_v1).verify(embedded.signature, signed, ec.ECDSA(hashes.SHA256()))


def test_every_certificate_is_in_the_tree(web, url, issue, signing_key, check_inclusion):
    issue(signing_key)
    issue(signing_key)
    head = web.get(f"{url}/get-sth").json()
    size, root = head["tree_size"], base64.b64decode(head["sha256_root_hash"])
    assert size >= 2
    entries = web.get(f"{url}/get-entries", params={"start": 0, "end": size - 1}).json()["entries"]
    assert len(entries) == size
    for index, entry in enumerate(entries):
        leaf = hashlib.sha256(b"\x00" + base64.b64decode(entry["leaf_input"])).digest()
        query = {"tree_size": size, "hash": base64.b64encode(leaf).decode()}
        proof = web.get(f"{url}/get-proof-by-hash", params=query).json()
        path = [base64.b64decode(one) for one in proof["audit_path"]]
        assert proof["leaf_index"] == index
        assert check_inclusion(index, size, leaf, path, root)
        assert POISON.dotted_string not in str(entry)


def test_the_tree_head_is_signed(web, url, stack_v1, leaf):
    head = web.get(f"{url}/get-sth").json()
    signed = struct.pack(">BBQQ", 0, 1, head["timestamp"], head["tree_size"])
    signed += base64.b64decode(head["sha256_root_hash"])
    signature = base64.b64decode(head["tree_head_signature"])
    assert signature[:2] == b"\x04\x03"
    read_log_key(stack_v1).verify(signature[4:], signed, ec.ECDSA(hashes.SHA256()))


def test_the_log_grows_consistently(web, url, issue, signing_key, check_consistency):
    issue(signing_key)
    old = web.get(f"{url}/get-sth").json()
    issue(signing_key)
    new = web.get(f"{url}/get-sth").json()
    query = {"first": old["tree_size"], "second": new["tree_size"]}
    proof = web.get(f"{url}/get-sth-consistency", params=query).json()["consistency"]
    roots = [base64.b64decode(head["sha256_root_hash"]) for head in (old, new)]
    path = [base64.b64decode(one) for one in proof]
    assert check_consistency(old["tree_size"], new["tree_size"], path, *roots)


def test_the_accepted_root_is_published(web, url, authority):
    (root,) = web.get(f"{url}/get-roots").json()["certificates"]
    assert x509.load_der_x509_certificate(base64.b64decode(root)) == authority.chain[-1]


def test_a_chain_may_leave_out_the_root(web, url, authority, make_precertificate):
    precertificate = make_precertificate(authority)
    sent = submission(precertificate, authority.certificate)
    assert web.post(f"{url}/add-pre-chain", json=sent).status_code == 200


@pytest.mark.parametrize(
    ("poison", "critical"),
    [(None, True), (POISONED, False)],
)
def test_what_is_no_precertificate_is_refused(
    web, url, authority, make_precertificate, poison, critical
):
    precertificate = make_precertificate(authority, poison, critical=critical)
    sent = submission(precertificate, *authority.chain)
    answer = web.post(f"{url}/add-pre-chain", json=sent)
    assert answer.status_code == 400
    assert "poison" in answer.json()["message"]


def test_a_chain_to_another_root_is_refused(web, url, stack_v1, make_precertificate):
    now = stack_v1.ctlog.clock()
    foreign = Authority.make_root("foreign", now).make_intermediate("foreign", now)
    precertificate = make_precertificate(foreign)
    for rest in (foreign.chain, stack_v1.fulcio.authority.chain):
        answer = web.post(f"{url}/add-pre-chain", json=submission(precertificate, *rest))
        assert answer.status_code == 400
        assert "accepted root" in answer.json()["message"]


@pytest.mark.parametrize(
    "body", [{}, {"chain": 7}, {"chain": ["!"]}, {"chain": ["AAAA"]}, {"chain": [7]}, {"chain": []}]
)
def test_a_malformed_chain_is_refused(web, url, body):
    assert web.post(f"{url}/add-pre-chain", json=body).status_code == 400


def test_malformed_json_is_refused(web, url):
    assert web.post(f"{url}/add-pre-chain", content=b"{").status_code == 400


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("get-entries", {"start": "x", "end": "1"}, 400),
        ("get-entries", {"start": "5000", "end": "5001"}, 400),
        ("get-proof-by-hash", {"tree_size": "1", "hash": "x"}, 404),
        ("get-proof-by-hash", {"tree_size": "5000", "hash": "x"}, 404),
        ("get-sth-consistency", {"first": "0", "second": "1"}, 400),
        ("get-sth-consistency", {"first": "1", "second": "5000"}, 400),
    ],
)
def test_questions_that_have_no_answer_are_refused(web, url, path, query, status):
    assert web.get(f"{url}/{path}", params=query).status_code == status


def test_an_empty_log_has_the_empty_root(web):
    with start_whole_sigstore() as stack:
        head = web.get(f"{stack.urls['fulcio']}/ct/v1/get-sth").json()
    assert head["tree_size"] == 0
    assert base64.b64decode(head["sha256_root_hash"]) == hashlib.sha256(b"").digest()

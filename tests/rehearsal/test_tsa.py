"""The timestamp authority attests digests so that an independent client believes it."""

import base64
import hashlib
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from release_tool.core.errors import InputError
from release_tool.rehearsal.sigstore import der
from release_tool.rehearsal.sigstore.tsa import POLICY, SHA256, parse_query
from tests.standins.sigstore import start_whole_sigstore

SHA1 = "1.3.14.3.2.26"


@pytest.fixture
def send(web, stack_v1):
    def send(content, url=stack_v1.urls["tsa"]):
        headers = {"Content-Type": "application/timestamp-query"}
        return web.post(url, content=content, headers=headers)

    return send


@pytest.fixture
def chain(web, stack_v1):
    pems = web.get(f"{stack_v1.urls['tsa']}/certchain").content
    return x509.load_pem_x509_certificates(pems)


@pytest.fixture
def verifier(chain):
    return VerifierBuilder().tsa_certificate(chain[0]).add_root_certificate(chain[-1])


def make_query(*optional, algorithm=SHA256, digest=32 * b"x", version=1):
    imprint = der.sequence(der.sequence(der.oid(algorithm)), der.octet_string(digest))
    return der.sequence(der.integer(version), imprint, *optional)


@pytest.mark.parametrize("algorithm", [HashAlgorithm.SHA256, HashAlgorithm.SHA512])
@pytest.mark.parametrize("with_certificates", [True, False])
def test_a_timestamp_verifies_for_its_message_and_no_other(
    send, verifier, algorithm, with_certificates
):
    request = (
        TimestampRequestBuilder()
        .data(b"signature")
        .hash_algorithm(algorithm)
        .nonce(nonce=True)
        .cert_request(cert_request=with_certificates)
        .build()
    )
    assert request.nonce is not None
    answer = send(request.as_bytes())
    assert answer.status_code == 201
    assert answer.headers["Content-Type"] == "application/timestamp-reply"
    response = decode_timestamp_response(answer.content)
    built = verifier.nonce(request.nonce).build()
    assert built.verify_message(response, b"signature")
    with pytest.raises(VerificationError):
        built.verify_message(response, b"another")
    with pytest.raises(VerificationError):
        verifier.nonce(request.nonce + 1).build().verify_message(response, b"signature")
    assert bool(response.signed_data.certificates) is with_certificates


def test_a_damaged_timestamp_does_not_verify(send, verifier):
    request = TimestampRequestBuilder().data(b"signature").nonce(nonce=False).build()
    content = send(request.as_bytes()).content
    damaged = content[:-1] + bytes((content[-1] ^ 1,))
    with pytest.raises(VerificationError):
        verifier.build().verify_message(decode_timestamp_response(damaged), b"signature")


def test_the_time_is_the_clock_s(clock, send):
    clock.ahead = timedelta(days=100)
    with start_whole_sigstore(clock=clock) as stack:
        clock.ahead = timedelta(days=200)
        response = decode_timestamp_response(send(make_query(), stack.urls["tsa"]).content)
        assert abs(response.tst_info.gen_time - clock()) < timedelta(seconds=5)
    assert response.tst_info.policy.dotted_string == POLICY


def test_two_timestamps_of_the_same_digest_differ(send):
    serials = {
        decode_timestamp_response(send(make_query()).content).tst_info.serial_number
        for _ in range(5)
    }
    assert len(serials) == 5


def test_the_signer_may_timestamp_and_nothing_else(chain):
    usage = chain[0].extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert usage.critical
    assert list(usage.value) == [ExtendedKeyUsageOID.TIME_STAMPING]
    chain[0].verify_directly_issued_by(chain[1])
    assert all("rehearsal" in one.subject.rfc4514_string() for one in chain)


def test_an_offered_policy_and_no_nonce_are_fine(send):
    answer = send(make_query(der.oid(POLICY)))
    assert answer.status_code == 201
    assert decode_timestamp_response(answer.content).tst_info.nonce is None


BAD_QUERIES = {
    "nothing": b"",
    "no DER": b"hello",
    "no sequence": der.integer(1),
    "an empty sequence": der.sequence(),
    "a list": der.sequence(der.integer(1), der.integer(1)),
    "trailing bytes": make_query() + b"\x00",
    "another version": make_query(version=2),
    "SHA-1": make_query(algorithm=SHA1, digest=20 * b"x"),
    "a short digest": make_query(digest=31 * b"x"),
    "an unknown policy": make_query(der.oid("1.2.3.4")),
    "an extension": make_query(der.encode(der.context(0), b"")),
    "a negative nonce": make_query(der.encode(der.INTEGER, b"\xff")),
    "an endless nonce": make_query(der.integer(1 << 300)),
    "an imprint without algorithm": der.sequence(
        der.integer(1), der.sequence(der.sequence(), der.octet_string(b""))
    ),
}


@pytest.mark.parametrize("content", BAD_QUERIES.values(), ids=BAD_QUERIES.keys())
def test_queries_that_cannot_be_granted_are_refused(send, content):
    answer = send(content)
    assert answer.status_code == 400
    assert answer.json()["code"] == 400


@settings(max_examples=200)
@given(place=st.integers(0, 60), flip=st.integers(1, 255))
def test_a_damaged_query_is_read_or_refused_but_never_a_crash(place, flip):
    content = bytearray(make_query(der.integer(5), der.encode(der.BOOLEAN, b"\xff")))
    content[place % len(content)] ^= flip
    try:
        query = parse_query(bytes(content))
    except InputError:
        return
    assert query.imprint in content


def test_a_query_in_json_is_stamped_like_any_other(web, stack_v1, verifier):
    for name, algorithm in (("sha256", hashlib.sha256), ("SHA512", hashlib.sha512)):
        digest = base64.b64encode(algorithm(b"signature").digest()).decode()
        query = {"artifactHash": digest, "hashAlgorithm": name, "nonce": 7, "certificates": True}
        answer = web.post(stack_v1.urls["tsa"], json=query)
        assert answer.status_code == 201
        response = decode_timestamp_response(answer.content)
        assert verifier.nonce(7).build().verify_message(response, b"signature")
        assert response.signed_data.certificates
        bare = {"artifactHash": digest, "hashAlgorithm": name, "tsaPolicyOID": POLICY}
        response = decode_timestamp_response(web.post(stack_v1.urls["tsa"], json=bare).content)
        assert response.tst_info.nonce is None
        assert not response.signed_data.certificates


DIGEST = base64.b64encode(32 * b"x").decode()
BAD_JSON = {
    "a list": [],
    "nothing": {},
    "SHA-1": {"artifactHash": DIGEST, "hashAlgorithm": "sha1"},
    "no base64": {"artifactHash": "!", "hashAlgorithm": "sha256"},
    "a short digest": {"artifactHash": "AAAA", "hashAlgorithm": "sha256"},
    "a nonce in words": {"artifactHash": DIGEST, "hashAlgorithm": "sha256", "nonce": "7"},
    "a true nonce": {"artifactHash": DIGEST, "hashAlgorithm": "sha256", "nonce": True},
    "a negative nonce": {"artifactHash": DIGEST, "hashAlgorithm": "sha256", "nonce": -1},
    "another policy": {"artifactHash": DIGEST, "hashAlgorithm": "sha256", "tsaPolicyOID": "1.2"},
    "too much": {"artifactHash": DIGEST, "hashAlgorithm": "sha256", "more": "x" * 1024},
}


@pytest.mark.parametrize("query", BAD_JSON.values(), ids=BAD_JSON.keys())
def test_queries_in_json_that_cannot_be_granted_are_refused(web, stack_v1, query):
    assert web.post(stack_v1.urls["tsa"], json=query).status_code == 400


@pytest.mark.parametrize("kind", ["text/plain", "application/x", "multipart/application-json"])
def test_a_query_of_an_unknown_type_is_refused(web, stack_v1, kind):
    answer = web.post(stack_v1.urls["tsa"], content=make_query(), headers={"Content-Type": kind})
    assert answer.status_code == 415


def test_a_body_too_large_is_refused(send):
    assert send(b"x" * 100_000).status_code == 413


def test_a_failing_authority_answers_500(send):
    with start_whole_sigstore(failing_tsa=True) as stack:
        assert send(make_query(), stack.urls["tsa"]).status_code == 500


def test_the_token_names_its_certificate(send, chain):
    token = send(make_query()).content
    digest = hashlib.sha256(chain[0].public_bytes(Encoding.DER)).digest()
    assert digest in token

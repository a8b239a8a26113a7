"""Several trusted roots in one file, and an instance without logs: nothing is judged by less."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from release_tool.core.digest import Sha256
from release_tool.core.errors import CannotVerify, InputError, NotVerified
from release_tool.rehearsal.sigstore.extensions import make_extensions
from release_tool.rehearsal.sigstore.fields import encode_base64
from release_tool.rehearsal.sigstore.private import PrivateSigstore, make_envelope
from release_tool.rehearsal.sigstore.signatures import pre_authenticate
from release_tool.sigstore.check.root import parse_roots
from release_tool.sigstore.trust.instance import MAX_ROOTS, TrustedRoot, trusted_root_of
from release_tool.verify.evidence import evidence_for_digest
from release_tool.verify.verdict import verify_release
from tests.fuzz.mutations import BUNDLE_NAMES, changes
from tests.verify.conftest import CONTENT, Signer, state_subject

Key = Any
Sign = Callable[[Key, bytes], bytes]
PAYLOAD_TYPE = "application/vnd.in-toto+json"


@pytest.fixture(scope="module")
def private() -> PrivateSigstore:
    return PrivateSigstore.make()


@pytest.fixture(scope="module")
def said(v1: Signer) -> list[x509.UnrecognizedExtension]:
    """Say of a build what the rehearsal's public instance says."""
    issuer = v1.stack.issuer_service
    return make_extensions({**issuer.claims.to_token(), "iss": v1.stack.issuer})


@pytest.fixture(scope="module")
def bundle(private: PrivateSigstore, v1: Signer, said: Any) -> bytes:
    return private.state(state_subject(CONTENT), v1.expected.identity, said)


def both(v1: Signer, private: PrivateSigstore) -> TrustedRoot:
    return trusted_root_of(v1.stack.trusted_root + private.trusted_root, "both")


def test_each_bundle_is_held_against_the_root_that_issued_it(
    v1, private, bundle, message_bundles, statement_bundles
):
    for root in (both(v1, private), trusted_root_of(private.trusted_root, "private")):
        verified = v1.verify(bundle, root=root)
        assert (verified.log_index, verified.log_id, verified.log_url) == (None, None, None)
        assert verified.to_json()["log"] is None
    for public in (message_bundles["v1"], statement_bundles["v1"]):
        assert v1.verify(public, root=both(v1, private)).log_index is not None


def test_the_order_and_blank_lines_of_a_file_of_roots_mean_nothing(v1, private, bundle):
    content = b"\n" + private.trusted_root + b"\n" + v1.stack.trusted_root
    root = trusted_root_of(content, "turned round")
    assert v1.verify(bundle, root=root)
    assert len(parse_roots(root)) == 2


def test_a_root_that_names_a_log_demands_an_entry(v1, private, bundle, message_bundles):
    for root in (v1.root, both(v1, private)):
        document = json.loads(message_bundles["v1"])
        document["verificationMaterial"].pop("tlogEntries")
        with pytest.raises(CannotVerify, match="no log entry, and the trusted root names a log"):
            v1.verify(json.dumps(document).encode(), root=root)
    with pytest.raises(CannotVerify, match="no log entry, and the trusted root names a log"):
        v1.verify(bundle)


def test_parts_of_a_root_do_not_make_one_that_demands_less(v1, private, message_bundles):
    """The certificate is the public instance's, the time stamp the private one's."""
    document = json.loads(message_bundles["v1"])
    material = document["verificationMaterial"]
    material.pop("tlogEntries")
    signature = document["messageSignature"]["signature"]
    material["timestampVerificationData"] = {
        "rfc3161Timestamps": [{"signedTimestamp": encode_base64(private.stamp(signature.encode()))}]
    }
    with pytest.raises(CannotVerify, match="no log entry"):
        v1.verify(json.dumps(document).encode(), root=both(v1, private))


def test_the_entry_of_a_log_that_the_root_does_not_name_is_refused(
    v1, private, bundle, statement_bundles
):
    document, public = json.loads(bundle), json.loads(statement_bundles["v1"])
    entries = public["verificationMaterial"]["tlogEntries"]
    document["verificationMaterial"]["tlogEntries"] = entries
    with pytest.raises(NotVerified, match="the transparency log: expected"):
        v1.verify(json.dumps(document).encode(), root=both(v1, private))


def test_without_a_time_stamp_of_its_own_root_nothing_is_verified(v1, v2, private, bundle):
    document = json.loads(bundle)
    material = document["verificationMaterial"]
    (stamp,) = material.pop("timestampVerificationData")["rfc3161Timestamps"]
    with pytest.raises(CannotVerify, match="neither an inclusion promise nor a time stamp"):
        v1.verify(json.dumps(document).encode(), root=both(v1, private))
    other = PrivateSigstore.make().stamp(b"anything")
    material["timestampVerificationData"] = {
        "rfc3161Timestamps": [{"signedTimestamp": encode_base64(other)}]
    }
    with pytest.raises(NotVerified, match="the authority of the time stamp: expected"):
        v1.verify(json.dumps(document).encode(), root=both(v1, private))
    material["timestampVerificationData"]["rfc3161Timestamps"].append(stamp)
    verified = v1.verify(json.dumps(document).encode(), root=both(v1, private))
    assert "1 by an authority that the trusted root does not name" in verified.steps[5].outcome


def test_an_authority_that_two_roots_name_leaves_no_choice(v1, private, message_bundles):
    """One of them could demand less; so it is for whoever wrote the file to say which counts."""
    weaker = json.loads(v1.stack.trusted_root)
    for part in ("tlogs", "ctlogs"):
        weaker.pop(part)
    lines = v1.stack.trusted_root + json.dumps(weaker).encode() + b"\n" + private.trusted_root
    with pytest.raises(InputError, match="2 of the trusted roots name the authority"):
        v1.verify(message_bundles["v1"], root=trusted_root_of(lines, "three"))


def test_a_root_that_knows_the_issuers_key_by_another_certificate_counts_as_well(
    v1, private, bundle
):
    """Its own certificate of the key is over: no chain, and still no choice."""
    renewed = json.loads(private.trusted_root)
    authority = private.ca
    builder = x509.CertificateBuilder(
        authority.certificate.issuer,
        authority.certificate.subject,
        authority.certificate.public_key(),
        7,
        authority.certificate.not_valid_before_utc,
        authority.certificate.not_valid_before_utc,
    )
    old = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    from cryptography.hazmat.primitives.serialization import Encoding

    chain = renewed["certificateAuthorities"][0]["certChain"]["certificates"]
    chain[0]["rawBytes"] = encode_base64(old.public_bytes(Encoding.DER))
    renewed["tlogs"], renewed["ctlogs"] = (
        json.loads(v1.stack.trusted_root)[part] for part in ("tlogs", "ctlogs")
    )
    lines = private.trusted_root + json.dumps(renewed).encode()
    with pytest.raises(InputError, match="2 of the trusted roots name the authority"):
        v1.verify(bundle, root=trusted_root_of(lines, "two"))


def test_an_issuer_that_no_root_names_is_refused(v1, v2, private):
    stranger = v2.sign(CONTENT)
    with pytest.raises(NotVerified, match="an authority of one of the trusted roots"):
        v1.verify(stranger, root=both(v1, private))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda root: root.update(timestampAuthorities=[]), "no log and no time-stamp authority"),
        (lambda root: root.update(certificateAuthorities=[]), "names no certificate authority"),
        (lambda root: root.update(mediaType="text/plain"), "neither a Sigstore trusted root"),
    ],
)
def test_a_line_that_is_no_root_that_can_be_used_spoils_the_file(v1, private, change, reason):
    document = json.loads(private.trusted_root)
    change(document)
    content = v1.stack.trusted_root + json.dumps(document).encode()
    with pytest.raises(InputError, match=reason):
        parse_roots(trusted_root_of(content, "spoilt"))


def test_logs_of_kinds_that_are_unknown_here_are_not_taken_for_none(private, v1):
    document = json.loads(private.trusted_root)
    document["tlogs"] = json.loads(v1.stack.trusted_root)["tlogs"]
    document["tlogs"][0]["publicKey"]["keyDetails"] = "ML_DSA_65"
    with pytest.raises(InputError, match="names no transparency log that this version can use"):
        parse_roots(trusted_root_of(json.dumps(document).encode(), "new"))


def test_a_file_of_too_many_roots_and_one_with_more_than_roots_are_refused(private):
    with pytest.raises(InputError, match=f"more than {MAX_ROOTS}"):
        trusted_root_of(private.trusted_root * (MAX_ROOTS + 1), "many")
    for more in (b"{", b"null", b"[]"):
        with pytest.raises(InputError):
            trusted_root_of(private.trusted_root + more, "more")


def test_another_identity_and_every_small_change_of_such_a_bundle_are_refused(v1, private, bundle):
    root = both(v1, private)
    other = replace(v1.expected, workflow=replace(v1.expected.workflow, file="other.yml"))
    with pytest.raises(NotVerified, match="identity of the signer"):
        v1.verify(bundle, root=root, expected=other)
    for change in changes(bundle, 97, BUNDLE_NAMES):
        if change.how != "flip":
            continue
        with pytest.raises((NotVerified, CannotVerify)):
            v1.verify(change.content, root=root)


HASH = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}


def by_curve(curve: ec.EllipticCurve, name: str) -> tuple[Key, Sign, str]:
    key = ec.generate_private_key(curve)
    return key, lambda key, message: key.sign(message, ec.ECDSA(HASH[name])), name


def by_rsa(size: int, scheme: padding.AsymmetricPadding) -> tuple[Key, Sign, str]:
    key = rsa.generate_private_key(65537, size)
    return key, lambda key, message: key.sign(message, scheme, HASH["sha256"]), "sha256"


def pss(length: Any) -> padding.PSS:
    return padding.PSS(padding.MGF1(HASH["sha256"]), length)


KEYS = {
    "P-256": lambda: by_curve(ec.SECP256R1(), "sha256"),
    "P-384": lambda: by_curve(ec.SECP384R1(), "sha384"),
    "P-521": lambda: by_curve(ec.SECP521R1(), "sha512"),
    "RSA 2048": lambda: by_rsa(2048, padding.PKCS1v15()),
    "RSA 3072": lambda: by_rsa(3072, padding.PKCS1v15()),
    "RSA 4096, PSS": lambda: by_rsa(4096, pss(padding.PSS.DIGEST_LENGTH)),
    "RSA 2048, PSS": lambda: by_rsa(2048, pss(padding.PSS.MAX_LENGTH)),
}


@pytest.mark.parametrize("kind", KEYS)
def test_keys_of_every_kind_that_the_registry_lists_verify(v1, private, said, tmp_path, kind):
    key, sign, digest = KEYS[kind]()
    root = both(v1, private)
    certificate = private.certify(key.public_key(), v1.expected.identity, said)
    payload = state_subject(CONTENT)
    signature = sign(key, pre_authenticate(PAYLOAD_TYPE, payload))
    stated = private.seal(certificate, signature, make_envelope(payload, signature))
    assert v1.verify(stated, root=root)
    signature = sign(key, CONTENT)
    file = private.seal(
        certificate, signature, {"messageSignature": {"signature": encode_base64(signature)}}
    )
    path = tmp_path / "model.onnx"
    path.write_bytes(CONTENT)
    evidence = evidence_for_digest(Sha256.of_bytes(CONTENT), file)
    assert verify_release(replace(evidence, path=path), v1.expected, root)
    assert verify_release(replace(evidence, content=CONTENT), v1.expected, root)
    path.write_bytes(b"changed meanwhile")
    if digest == "sha256":
        assert verify_release(evidence, v1.expected, root)
    else:
        with pytest.raises(NotVerified, match="was changed while it was read"):
            verify_release(replace(evidence, path=path), v1.expected, root)
        with pytest.raises(CannotVerify, match=f"covers the file's {digest}"):
            verify_release(evidence, v1.expected, root)
    broken = sign(key, b"something else")
    damaged = private.seal(certificate, broken, make_envelope(payload, broken))
    with pytest.raises(NotVerified, match="was not made by the certificate's key"):
        v1.verify(damaged, root=root)


def test_a_digest_that_does_not_go_with_the_key_is_refused(v1, private, said):
    payload = state_subject(CONTENT)
    for curve, name in ((ec.SECP256R1(), "sha384"), (ec.SECP384R1(), "sha256")):
        key, sign, _ = by_curve(curve, name)
        certificate = private.certify(key.public_key(), v1.expected.identity, said)
        signature = sign(key, pre_authenticate(PAYLOAD_TYPE, payload))
        bundle = private.seal(certificate, signature, make_envelope(payload, signature))
        with pytest.raises(NotVerified, match="was not made by the certificate's key"):
            v1.verify(bundle, root=both(v1, private))


def test_an_ed25519_key_signs_statements(v1, private, said):
    key = ed25519.Ed25519PrivateKey.generate()
    certificate = private.certify(key.public_key(), v1.expected.identity, said)
    payload = state_subject(CONTENT)
    signature = key.sign(pre_authenticate(PAYLOAD_TYPE, payload))
    stated = private.seal(certificate, signature, make_envelope(payload, signature))
    assert v1.verify(stated, root=both(v1, private))
    signature = key.sign(CONTENT)
    content = {"messageSignature": {"signature": encode_base64(signature)}}
    file = private.seal(certificate, signature, content)
    with pytest.raises(CannotVerify, match="signatures of files by keys of the kind PKIX_ED25519"):
        v1.verify(file, root=both(v1, private))


def test_a_statement_without_a_predicate_is_read(v1, private, said):
    for predicate in ({}, {"predicate": None}):
        document = json.loads(state_subject(CONTENT))
        document.pop("predicate")
        payload = json.dumps(document | predicate).encode()
        bundle = private.state(payload, v1.expected.identity, said)
        verified = v1.verify(bundle, root=both(v1, private))
        assert verified.provenance is not None
        assert verified.provenance.builder is None

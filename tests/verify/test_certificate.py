"""Certificates made by hand: what Fulcio would never issue must not be understood either."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from release_tool.core.digest import Sha256
from release_tool.core.errors import CannotVerify, NotVerified
from release_tool.sigstore.check.certificate import check_profile, open_certificate
from release_tool.sigstore.check.claims import ARC, decode_utf8_string, read_claims
from release_tool.sigstore.check.policy import check_policy
from release_tool.sigstore.trust.signer import ExpectedSigner
from release_tool.verify.evidence import evidence_for_digest
from release_tool.verify.verdict import verify_release

URI = x509.UniformResourceIdentifier("https://github.com/o/r/.github/workflows/w.yml@refs/heads/m")
ISSUER = b"\x0c\x13https://issuer.test"
SIGN = {
    "digital_signature": True,
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "key_cert_sign": False,
    "crl_sign": False,
    "encipher_only": False,
    "decipher_only": False,
}
GOOD = (
    x509.KeyUsage(**SIGN),
    x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]),
    x509.SubjectAlternativeName([URI]),
)
KEY = ec.generate_private_key(ec.SECP256R1())


def fulcio(number: int, content: bytes) -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(f"{ARC}.{number}"), content)


def issue(*extensions: x509.ExtensionType, key=KEY) -> bytes:
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(minutes=5))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    algorithm = None if isinstance(key, ed448.Ed448PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(Encoding.DER)


def claims(*extensions: x509.ExtensionType):
    return read_claims(open_certificate(issue(*extensions)))


def test_a_self_signed_certificate_is_refused(v1, message_bundles, content):
    document = json.loads(message_bundles["v1"])
    text = base64.b64encode(issue(*GOOD, fulcio(8, ISSUER))).decode()
    document["verificationMaterial"]["certificate"]["rawBytes"] = text
    with pytest.raises(NotVerified, match="the signing certificate's issuer: expected a chain to"):
        v1.verify(json.dumps(document).encode(), content)


def test_the_claims_of_a_plain_certificate_are_its_name_and_issuer():
    said = claims(*GOOD, fulcio(8, ISSUER))
    assert (said.identity, said.issuer, said.repo) == (URI.value, "https://issuer.test", None)
    address = x509.SubjectAlternativeName([x509.RFC822Name("somebody@example.org")])
    assert claims(address, fulcio(8, ISSUER)).identity == "somebody@example.org"


def test_the_old_issuer_extension_counts_and_must_not_contradict():
    assert claims(*GOOD, fulcio(1, b"https://old.test")).issuer == "https://old.test"
    assert claims(*GOOD, fulcio(1, ISSUER[2:]), fulcio(8, ISSUER)).issuer == "https://issuer.test"
    with pytest.raises(NotVerified, match="the certificate's two issuers: expected"):
        claims(*GOOD, fulcio(1, b"https://old.test"), fulcio(8, ISSUER))
    with pytest.raises(CannotVerify, match="issuer extension is malformed"):
        claims(*GOOD, fulcio(1, b"\xff"))


def test_without_an_issuer_nobody_vouches():
    with pytest.raises(NotVerified, match="does not say which issuer"):
        claims(*GOOD)


@pytest.mark.parametrize(
    "names",
    [
        [URI, x509.UniformResourceIdentifier("https://evil.test")],
        [URI, URI],
        [URI, x509.RFC822Name("a@example.org")],
    ],
)
def test_several_names_are_refused(names):
    with pytest.raises(NotVerified, match="names in the certificate: expected one, actual 2"):
        claims(x509.SubjectAlternativeName(names), fulcio(8, ISSUER))


def test_no_name_and_names_of_other_kinds_are_refused():
    with pytest.raises(NotVerified, match="names in the certificate: expected one, actual 0"):
        claims(fulcio(8, ISSUER))
    with pytest.raises(CannotVerify, match=r"certificate's name is of a kind .*: DNSName"):
        claims(x509.SubjectAlternativeName([x509.DNSName("example.org")]), fulcio(8, ISSUER))


def test_a_duplicated_extension_is_refused():
    der = issue(*GOOD, fulcio(8, ISSUER), fulcio(9, ISSUER))
    oid = bytes.fromhex("060a2b0601040183bf300109")
    assert der.count(oid) == 1
    with pytest.raises(CannotVerify, match="the signing certificate is malformed"):
        open_certificate(der.replace(oid, oid[:-1] + b"\x08"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x0c",
        b"https://issuer.test",
        b"\x13\x01a",
        b"\x0c\x02a",
        b"\x0c\x01ab",
        b"\x0c\x81\x01a",
        b"\x0c\x80a\x00\x00",
        b"\x0c\x82\x00\x01a",
        b"\x0c\x83\x00\x00\x01a",
        b"\x0c\x01\xff",
    ],
)
def test_an_extension_that_is_no_der_utf8_string_is_refused(content):
    with pytest.raises(CannotVerify):
        claims(*GOOD, fulcio(8, content))


@given(st.text(max_size=400))
def test_der_utf8_strings_are_read_back(text):
    content = text.encode()
    size = len(content)
    if size < 0x80:
        header = bytes([size])
    elif size < 0x100:
        header = bytes([0x81, size])
    else:
        header = b"\x82" + size.to_bytes(2, "big")
    assert decode_utf8_string(b"\x0c" + header + content, "it") == text
    with pytest.raises(CannotVerify):
        decode_utf8_string(b"\x0c" + header + content + b"x", "it")


def test_a_claim_that_is_asked_for_but_absent_is_refused():
    said = claims(*GOOD, fulcio(8, ISSUER))
    expected = ExpectedSigner(URI.value, "https://issuer.test", trigger="push")
    with pytest.raises(NotVerified, match="does not say its build trigger; expected push"):
        check_policy(said, expected)


@pytest.mark.parametrize(
    ("extensions", "reason"),
    [
        (GOOD[1:], "key usage"),
        ((x509.KeyUsage(**{**SIGN, "digital_signature": False}), *GOOD[1:]), "key usage"),
        ((x509.KeyUsage(**{**SIGN, "key_cert_sign": True}), *GOOD[1:]), "key usage"),
        ((GOOD[0], GOOD[2]), "code signing"),
        ((GOOD[0], x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])), "code signing"),
        ((*GOOD, x509.BasicConstraints(ca=True, path_length=None)), "certificate authority"),
    ],
)
def test_a_certificate_that_is_not_for_signing_code_is_refused(extensions, reason):
    with pytest.raises(NotVerified, match=reason):
        check_profile(open_certificate(issue(*extensions)))


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        (ed448.Ed448PrivateKey.generate(), "Ed448"),
        (dsa.generate_private_key(2048), "DSA of 2048 bits"),
        (rsa.generate_private_key(65537, 2056), "RSA of 2056 bits"),
    ],
)
def test_a_key_of_a_kind_that_the_registry_does_not_list_is_refused_by_name(key, kind):
    with pytest.raises(CannotVerify, match=f"the signer's key is of a kind .*: {kind}"):
        open_certificate(issue(*GOOD, key=key))


def test_an_rsa_key_that_is_bound_to_a_padding_is_refused_by_name():
    der = issue(*GOOD, key=rsa.generate_private_key(65537, 2048))
    oid = "06092a864886f70d0101"
    plain, bound = bytes.fromhex(f"{oid}010500"), bytes.fromhex(f"{oid}0a3000")
    assert der.count(plain) == 1
    with pytest.raises(CannotVerify, match="RSASSA-PSS by its own name"):
        open_certificate(der.replace(plain, bound))


@given(st.binary(max_size=200), st.integers(0, 300))
def test_malformed_certificates_never_crash(content, position):
    der = issue(*GOOD, fulcio(8, ISSUER))
    for damaged in (content, der[:position] + content + der[position:], der[:position]):
        try:
            certificate = open_certificate(damaged)
            check_profile(certificate)
            read_claims(certificate)
        except (NotVerified, CannotVerify):
            pass


@pytest.fixture
def sign_on(v1, monkeypatch) -> Callable[[type[ec.EllipticCurve]], bytes]:
    """Sign with a key on any curve, always over SHA-256; the authority is made to certify it."""

    def check_possession(body, _subject):
        pem = base64.b64decode(body["certificateSigningRequest"])
        return x509.load_pem_x509_csr(pem).public_key()

    monkeypatch.setattr(v1.stack.fulcio, "check_possession", check_possession)
    monkeypatch.setattr("release_tool.rehearsal.sigstore.fulcio.check_key", lambda _key: None)

    def sign(curve: type[ec.EllipticCurve]) -> bytes:
        with monkeypatch.context() as patch:
            patch.setattr("sigstore.sign.ec.SECP256R1", curve)
            bundle: bytes = v1.sign(b"file")
        return bundle

    return sign


@pytest.mark.parametrize(
    "curve",
    [ec.SECP192R1, ec.SECP224R1, ec.SECP256K1, ec.BrainpoolP256R1],
)
def test_a_key_on_a_curve_that_the_registry_does_not_list_is_refused(v1, sign_on, curve):
    with pytest.raises(CannotVerify, match=f"signer's key is of a kind .* ECDSA on {curve.name}"):
        v1.verify(sign_on(curve), b"file")


@pytest.mark.parametrize("curve", [ec.SECP384R1, ec.SECP521R1])
def test_a_key_on_another_curve_than_sha256_goes_with_is_refused(v1, sign_on, tmp_path, curve):
    file = tmp_path / "file"
    file.write_bytes(b"file")
    bundle, digest = sign_on(curve), Sha256.of_bytes(b"file")
    evidence = replace(evidence_for_digest(digest, bundle), path=file)
    with pytest.raises(NotVerified, match=r"the log entry's body.spec.data.hash.algorithm"):
        verify_release(evidence, v1.expected, v1.root)
    with pytest.raises(CannotVerify, match="covers the file's sha"):
        v1.verify(bundle, b"file")


@pytest.mark.parametrize(("version", "accepted"), [("0.1", True), ("0.2", False)])
def test_p384_with_sha256_is_what_clients_signed_with_in_bundles_of_version_0_1(
    v1, sign_on, version, accepted
):
    document = json.loads(sign_on(ec.SECP384R1))
    material = document["verificationMaterial"]
    document["mediaType"] = f"application/vnd.dev.sigstore.bundle+json;version={version}"
    material["x509CertificateChain"] = {"certificates": [material.pop("certificate")]}
    bundle = json.dumps(document).encode()
    if accepted:
        assert v1.verify(bundle, b"file")
    else:
        with pytest.raises(CannotVerify, match="covers the file's sha384"):
            v1.verify(bundle, b"file")


def test_a_leaf_whose_extended_key_usage_is_critical_is_refused(v1, monkeypatch):
    plain = x509.CertificateBuilder.add_extension

    def add(builder, extension, critical):
        usage = isinstance(extension, x509.ExtendedKeyUsage)
        return plain(builder, extension, critical=critical or usage)

    monkeypatch.setattr(x509.CertificateBuilder, "add_extension", add)
    bundle = v1.sign(b"file")
    with pytest.raises(NotVerified, match="the signing certificate's issuer: expected a chain to"):
        v1.verify(bundle, b"file")

"""Time stamps: every byte of an ECDSA token counts, and sigstore-python's library agrees."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st
from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

from release_tool.core.errors import CannotVerify, NotVerified
from release_tool.rehearsal.sigstore import der
from release_tool.sigstore.check.cms import SignedMessage
from release_tool.sigstore.check.root import Anchors, Authority, Window
from release_tool.sigstore.check.timestamps import check_timestamps

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
SIGNATURE = b"the signature that was stamped"
SHA256, SHA384 = "2.16.840.1.101.3.4.2.1", "2.16.840.1.101.3.4.2.2"
SHA512, SHA1 = "2.16.840.1.101.3.4.2.3", "1.3.14.3.2.26"
HASHES = {
    SHA256: hashes.SHA256(),
    SHA384: hashes.SHA384(),
    SHA512: hashes.SHA512(),
    SHA1: hashes.SHA1(),  # noqa: S303  (to be refused)
}
ECDSA = {
    SHA256: "1.2.840.10045.4.3.2",
    SHA384: "1.2.840.10045.4.3.3",
    SHA512: "1.2.840.10045.4.3.4",
}
RSA_ENCRYPTION = "1.2.840.113549.1.1.1"
SIGNED_DATA = "1.2.840.113549.1.7.2"
TST_INFO = "1.2.840.113549.1.9.16.1.4"
CONTENT_TYPE, MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47"
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def make_certificate(
    name: str, issuer: str, key: PrivateKey, by: PrivateKey, *extensions: tuple[object, bool]
) -> x509.Certificate:
    """Make a certificate that is valid for two days around NOW."""

    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    builder = (
        x509.CertificateBuilder(named(issuer), named(name), key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False
        )
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)  # type: ignore[arg-type]
    return builder.sign(by, hashes.SHA256())


def usage_of(*, certificates: bool) -> tuple[x509.KeyUsage, bool]:
    kinds = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    no = dict.fromkeys((*kinds, "encipher_only", "decipher_only"), False)
    wanted = {"key_cert_sign": certificates, "crl_sign": certificates}
    return x509.KeyUsage(digital_signature=not certificates, **wanted, **no), True


STAMPING = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True)


@dataclass
class Maker:
    """A time-stamp authority whose tokens can be made wrong in every part."""

    key: PrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    usage: tuple[object, bool] | None = STAMPING
    root_key: PrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    chain: tuple[x509.Certificate, ...] = ()
    signed: bytes = SIGNATURE

    def __post_init__(self) -> None:
        authority = (x509.BasicConstraints(ca=True, path_length=0), True)
        identifier = (x509.SubjectKeyIdentifier.from_public_key(self.root_key.public_key()), False)
        above = (authority, usage_of(certificates=True), identifier)
        root = make_certificate("root", "root", self.root_key, self.root_key, *above)
        said = [usage_of(certificates=False), *([self.usage] if self.usage else [])]
        self.chain = (make_certificate("leaf", "root", self.key, self.root_key, *said), root)

    def anchors(self, *, chain: tuple[x509.Certificate, ...] | None = None) -> Anchors:
        window = Window(NOW - timedelta(days=9), None)
        return Anchors((), (), (), (Authority("the authority", chain or self.chain, window),))

    def sign(self, message: bytes, digest: str) -> bytes:
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(message, padding.PKCS1v15(), HASHES[digest])
        return self.key.sign(message, ec.ECDSA(HASHES[digest]))

    def make(
        self,
        *,
        digest: str = SHA256,
        imprint: str = SHA256,
        algorithm: str | None = None,
        time: datetime = NOW,
        content_type: str = TST_INFO,
        carried: tuple[x509.Certificate, ...] | None = None,
        signer: x509.Certificate | None = None,
        change: Callable[[dict[str, bytes]], object] = lambda _attributes: None,
    ) -> bytes:
        """Make a time-stamp response; `change` may alter the signed attributes before signing."""

        def hashed(name: str, content: bytes) -> bytes:
            return hashlib.new(HASHES[name].name, content).digest()

        info = der.sequence(
            der.integer(1),
            der.oid("1.2.3.4"),
            der.sequence(
                der.sequence(der.oid(imprint)), der.octet_string(hashed(imprint, self.signed))
            ),
            der.integer(7),
            der.generalized_time(time),
        )
        leaf = self.chain[0]
        said = signer or leaf
        named = der.octet_string(leaf.fingerprint(hashes.SHA256()))
        attributes = {
            CONTENT_TYPE: der.oid(content_type),
            MESSAGE_DIGEST: der.octet_string(hashed(digest, info)),
            SIGNING_CERTIFICATE_V2: der.sequence(der.sequence(der.sequence(named))),
        }
        change(attributes)
        listed = [
            der.sequence(der.oid(name.rstrip("+")), der.set_of(value))
            for name, value in attributes.items()
        ]
        signed = der.set_of(*listed)
        default = RSA_ENCRYPTION if isinstance(self.key, rsa.RSAPrivateKey) else ECDSA.get(digest)
        signer_info = der.sequence(
            der.integer(1),
            der.sequence(said.issuer.public_bytes(), der.integer(said.serial_number)),
            der.sequence(der.oid(digest)),
            bytes([0xA0]) + signed[1:],
            der.sequence(der.oid(algorithm or default or ECDSA[SHA256])),
            der.octet_string(self.sign(signed, digest)),
        )
        certificates = sorted(one.public_bytes(Encoding.DER) for one in carried or ())
        signed_data = der.sequence(
            der.integer(3),
            der.set_of(der.sequence(der.oid(digest))),
            der.sequence(der.oid(content_type), der.encode(0xA0, der.octet_string(info))),
            b"" if carried is None else der.encode(0xA0, *certificates),
            der.set_of(signer_info),
        )
        token = der.sequence(der.oid(SIGNED_DATA), der.encode(0xA0, signed_data))
        return der.sequence(der.sequence(der.integer(0)), token)

    def library_accepts(self, stamp: bytes) -> bool:
        leaf, root = self.chain
        try:
            response = decode_timestamp_response(stamp)
            verifier = VerifierBuilder().tsa_certificate(leaf).add_root_certificate(root).build()
            return verifier.verify_message(response, SIGNATURE)
        except (ValueError, VerificationError):
            return False


@pytest.fixture(scope="module")
def maker() -> Maker:
    return Maker()


def refused(stamp: bytes, anchors: Anchors) -> str:
    with pytest.raises((NotVerified, CannotVerify)) as refusal:
        check_timestamps((stamp,), SIGNATURE, anchors)
    return str(refusal.value)


@pytest.mark.parametrize("digest", [SHA256, SHA384, SHA512])
@pytest.mark.parametrize("kind", ["secp256r1", "secp384r1", "rsa"])
def test_stamps_of_every_kind_of_key_and_digest_are_accepted_here_and_by_the_library(digest, kind):
    if kind == "rsa":
        maker = Maker(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    else:
        curve = {"secp256r1": ec.SECP256R1(), "secp384r1": ec.SECP384R1()}[kind]
        maker = Maker(ec.generate_private_key(curve))
    for carried in (None, (), maker.chain[:1], maker.chain):
        stamp = maker.make(digest=digest, imprint=digest, carried=carried)
        (stamped,) = check_timestamps((stamp,), SIGNATURE, maker.anchors())
        assert (stamped.time, stamped.authority.name) == (NOW, "the authority")
        assert maker.library_accepts(stamp)


@pytest.mark.parametrize("curve", [ec.SECP224R1, ec.SECP256K1, ec.BrainpoolP256R1, "rsa"])
def test_a_stamp_by_a_key_that_is_not_in_the_registry_is_refused(curve):
    if curve == "rsa":
        maker = Maker(rsa.generate_private_key(public_exponent=65537, key_size=2560))
    else:
        maker = Maker(ec.generate_private_key(curve()))
    assert "not by any of" in refused(maker.make(), maker.anchors())


def test_no_byte_of_a_stamp_can_be_changed(maker):
    stamp = maker.make(carried=maker.chain[:1])
    anchors = maker.anchors()
    for position in range(len(stamp)):
        damaged = bytearray(stamp)
        damaged[position] ^= 1 << (position % 8)
        refused(bytes(damaged), anchors)
        refused(stamp[:position], anchors)
    refused(stamp + b"\0", anchors)


def drop(name: str) -> Callable[[dict[str, bytes]], object]:
    return lambda attributes: attributes.pop(name)


def replace(name: str, value: bytes) -> Callable[[dict[str, bytes]], object]:
    return lambda attributes: attributes.update({name: value})


OTHER = der.octet_string(b"\0" * 32)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (drop(CONTENT_TYPE), "does not sign what it must"),
        (drop(MESSAGE_DIGEST), "does not sign what it must"),
        (drop(SIGNING_CERTIFICATE_V2), "does not sign what it must"),
        (replace(CONTENT_TYPE, der.oid(SIGNED_DATA)), "not by any of"),
        (replace(MESSAGE_DIGEST, OTHER), "not by any of"),
        (replace(f"{MESSAGE_DIGEST}+", OTHER), "attribute twice"),
        (
            replace(SIGNING_CERTIFICATE_V2, der.sequence(der.sequence(der.sequence(OTHER)))),
            "not by any of",
        ),
        (
            replace(
                SIGNING_CERTIFICATE_V2,
                der.sequence(der.sequence(der.sequence(der.sequence(der.oid(SHA1)), OTHER))),
            ),
            "not by any of",
        ),
    ],
)
def test_a_stamp_whose_signed_attributes_do_not_fit_it_is_refused(maker, change, reason):
    assert reason in refused(maker.make(change=change), maker.anchors())


def test_the_signers_certificate_may_be_named_by_another_digest(maker):
    named = der.octet_string(maker.chain[0].fingerprint(hashes.SHA512()))
    value = der.sequence(der.sequence(der.sequence(der.sequence(der.oid(SHA512)), named)))
    stamp = maker.make(change=replace(SIGNING_CERTIFICATE_V2, value))
    assert check_timestamps((stamp,), SIGNATURE, maker.anchors())


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"content_type": SIGNED_DATA}, "something else than a time"),
        ({"imprint": SHA1}, "not by any of"),
        ({"digest": SHA1}, "do not fit together"),
        ({"algorithm": ECDSA[SHA384]}, "do not fit together"),
        ({"algorithm": RSA_ENCRYPTION}, "not by any of"),
        ({"time": NOW + timedelta(days=2)}, "not by any of"),
        ({"time": NOW - timedelta(days=2)}, "not by any of"),
    ],
)
def test_a_stamp_with_a_part_that_does_not_belong_is_refused(maker, parts, reason):
    assert reason in refused(maker.make(**parts), maker.anchors())


def test_a_stamp_of_another_signature_is_refused(maker):
    other = Maker(signed=b"another")
    other.key, other.chain = maker.key, maker.chain
    assert "not over this signature" in refused(other.make(), maker.anchors())


def test_a_stamp_by_another_authority_counts_nothing_and_one_that_claims_the_known_one_is_refused(
    maker,
):
    """Its certificate is named by the signer's id, in what is signed, and by what is carried."""
    other = Maker()
    assert check_timestamps((other.make(carried=other.chain),), SIGNATURE, maker.anchors()) == ()
    carried = other.make(carried=maker.chain)
    assert "not by any of the authority" in refused(carried, maker.anchors())
    named = other.make(signer=maker.chain[0])
    assert "not by any of the authority" in refused(named, maker.anchors())
    pretender = Maker()
    pretender.chain = maker.chain
    stamp = pretender.make(signer=other.chain[0])
    assert "not by any of the authority" in refused(stamp, maker.anchors())


def test_only_certificates_of_the_authority_may_travel_in_a_stamp_and_once(maker):
    stranger = Maker().chain[0]
    carried = (maker.chain[0], stranger)
    assert "not by any of" in refused(maker.make(carried=carried), maker.anchors())
    twice = (maker.chain[0], maker.chain[0])
    assert "certificate twice" in refused(maker.make(carried=twice), maker.anchors())


@pytest.mark.parametrize(
    "usage",
    [
        None,
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), False),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), True),
        (
            x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING]
            ),
            True,
        ),
    ],
)
def test_a_certificate_that_is_not_for_time_stamps_alone_makes_none(usage):
    maker = Maker(usage=usage)
    assert "not by any of" in refused(maker.make(), maker.anchors())


def test_an_authority_whose_certificates_do_not_hang_together_makes_no_stamps(maker):
    stranger = Maker().chain[1]
    for chain in (maker.chain[:1], (maker.chain[0], stranger)):
        assert "not by any of" in refused(maker.make(), maker.anchors(chain=chain))


def read_stamp(bundle: bytes) -> bytes:
    data = json.loads(bundle)["verificationMaterial"]["timestampVerificationData"]
    return base64.b64decode(data["rfc3161Timestamps"][0]["signedTimestamp"])


@given(st.binary(max_size=300))
def test_random_time_stamps_are_unreadable(content):
    with pytest.raises(CannotVerify):
        SignedMessage.parse(content)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("3003020100", "3003020101"),
        ("020103310d300b0609", "020101310d300b0609"),
        ("310d300b0609608648016503040201", "310d300b0605608648016503040201"),
        ("300b0609608648016503040201a0", "300b0509608648016503040201a0"),
    ],
)
def test_a_time_stamp_with_other_surroundings_is_refused(message_bundles, good, bad):
    stamp = read_stamp(message_bundles["v1"])
    assert bytes.fromhex(good) in stamp
    with pytest.raises(CannotVerify):
        SignedMessage.parse(stamp.replace(bytes.fromhex(good), bytes.fromhex(bad)))


def test_an_element_of_many_parts_or_none_or_of_a_long_length_is_refused():
    for content in (
        b"\x30\x00",
        b"\x30\x81\x82" + b"\x05\x00" * 65,
        b"\x30\x85\x00",
        b"\x30\x82\x00\x80" + b"\x05\x00" * 64,
    ):
        with pytest.raises(CannotVerify):
            SignedMessage.parse(content)

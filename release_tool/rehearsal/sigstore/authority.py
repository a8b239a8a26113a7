"""Throw-away certificate authorities: a root that nothing trusts, and what it signs.

Whose requests are granted, and what a leaf certificate says, is decided by Fulcio and the TSA.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ORGANISATION = "release-tool rehearsal"
ROOT_NAME = "release-tool rehearsal root: trust nothing"
INTERMEDIATE_NAME = "release-tool rehearsal intermediate: trust nothing"
TIMESTAMP_ROOT_NAME = "release-tool rehearsal timestamp root: trust nothing"
TIMESTAMP_NAME = "release-tool rehearsal timestamping: trust nothing"

BACKDATED = timedelta(days=1)
"""How long before the start every authority and log is valid: clients refuse a future window."""
LIFETIME = timedelta(days=3650)

KEY_USAGES = """
digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign
crl_sign encipher_only decipher_only
""".split()


def use_for(*usages: str) -> x509.KeyUsage:
    """Make a key usage of what a key may be used for (RFC 5280 §4.2.1.3)."""
    return x509.KeyUsage(**{usage: usage in usages for usage in KEY_USAGES})


SIGN_CERTIFICATES = use_for("key_cert_sign", "crl_sign")
SIGN_DIGITALLY = use_for("digital_signature")


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate with its private key, and its chain: itself first, the root last."""

    private: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...]

    @property
    def certificate(self) -> x509.Certificate:
        """The authority's own certificate."""
        return self.chain[0]

    @property
    def pems(self) -> list[str]:
        """The chain as PEM texts, itself first."""
        return [certificate.public_bytes(Encoding.PEM).decode() for certificate in self.chain]

    @classmethod
    def make_root(cls, name: str, now: datetime) -> Self:
        """Make a self-signed root (P-384, as Fulcio's)."""
        private = ec.generate_private_key(ec.SECP384R1())
        builder = start_certificate(name, name, private.public_key(), now)
        builder = add_ca(builder, private.public_key(), path_length=1)
        return cls(private, (builder.sign(private, hashes.SHA384()),))

    def make_intermediate(self, name: str, now: datetime) -> Self:
        """Make an authority under this one that may sign code-signing leaves only."""
        private = ec.generate_private_key(ec.SECP384R1())
        builder = start_certificate(name, common_name(self), private.public_key(), now)
        builder = add_ca(builder, private.public_key(), path_length=0)
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
        certificate = self.sign(builder.add_extension(usage, critical=False))
        return type(self)(private, (certificate, *self.chain))

    def make_timestamper(self, name: str, now: datetime) -> Self:
        """Make a timestamping certificate under this root (RFC 3161 §2.3: EKU alone, critical)."""
        private = ec.generate_private_key(ec.SECP256R1())
        builder = start_certificate(name, common_name(self), private.public_key(), now)
        builder = builder.add_extension(SIGN_DIGITALLY, critical=True)
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        builder = builder.add_extension(usage, critical=True)
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False
        )
        return type(self)(private, (self.sign(builder), *self.chain))

    def sign(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        """Sign a certificate under this authority, naming this authority's key in it."""
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.private.public_key())
        return builder.add_extension(issuer, critical=False).sign(self.private, hashes.SHA384())


def common_name(authority: Authority) -> str:
    """Return an authority's common name."""
    (attribute,) = authority.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(attribute.value)


def make_name(common: str) -> x509.Name:
    """Make a distinguished name that says rehearsal twice."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def start_certificate(
    name: str, issuer: str, key: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    """Start a long-lived certificate of an authority, valid from a day before `now`."""
    return (
        x509.CertificateBuilder()
        .subject_name(make_name(name))
        .issuer_name(make_name(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + LIFETIME)
    )


def add_ca(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePublicKey, path_length: int
) -> x509.CertificateBuilder:
    """Add what makes a certificate an authority's (RFC 5280 §4.2.1)."""
    return (
        builder.add_extension(
            x509.BasicConstraints(ca=True, path_length=path_length), critical=True
        )
        .add_extension(SIGN_CERTIFICATES, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )

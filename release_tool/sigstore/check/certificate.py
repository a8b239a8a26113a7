"""Step 3: the signing certificate, and its chain to a certificate authority of the trusted root.

Says who issued it and whether it may sign code; what it says of the signer is in `claims`.
RFC 5280; https://github.com/sigstore/architecture-docs/blob/main/client-spec.md
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TypeVar, cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, PublicKeyAlgorithmOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from release_tool.core.errors import CannotVerify, NotVerified
from release_tool.sigstore.check.keys import PublicKey
from release_tool.sigstore.check.refusal import mismatch, reading, show
from release_tool.sigstore.check.root import Anchors, Authority
from release_tool.sigstore.check.signing import SUPPORTED_KEYS, algorithms_of

ANY_USAGE = (x509.ExtendedKeyUsage, Criticality.AGNOSTIC, None)
PLAIN_USAGE = (x509.ExtendedKeyUsage, Criticality.NON_CRITICAL, None)
"""Fulcio writes it so into what it issues, and sigstore-python takes it in no other form."""

T = TypeVar("T", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True, eq=False)
class SigningCertificate:
    """A leaf certificate, read once; `der` are the bytes that the bundle holds.

    One run often signs many files with one certificate, so what is found of it is kept; it is
    compared by identity, which makes looking that up cost nothing.
    """

    der: bytes
    parsed: x509.Certificate
    extensions: x509.Extensions
    key: PublicKey
    issuer: str


@dataclass(frozen=True, slots=True)
class Issuance:
    """An authority that issued the certificate, and the certificates above it, up to the root."""

    authority: Authority
    chain: tuple[x509.Certificate, ...]

    @property
    def issuer(self) -> x509.Certificate:
        """The certificate just above the leaf."""
        return self.chain[0]

    def valid_at(self, time: datetime) -> bool:
        """Tell whether every certificate of the chain was valid (RFC 5280 §4.1.2.5)."""
        return all(
            one.not_valid_before_utc <= time <= one.not_valid_after_utc for one in self.chain
        )


@lru_cache(maxsize=128)
def open_certificate(der: bytes) -> SigningCertificate:
    """Read a signing certificate; raises `CannotVerify` where it is malformed.

    A duplicated extension is malformed too (RFC 5280 §4.2), and the parser says so.
    """
    with reading("the signing certificate"):
        certificate = x509.load_der_x509_certificate(der)
        key = certificate.public_key()
        extensions = certificate.extensions
        _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        issuer = certificate.issuer.rfc4514_string()
        version = certificate.version
        canonical = certificate.public_bytes(Encoding.DER) == der
    if version is not x509.Version.v3 or not canonical:
        raise NotVerified("the signing certificate is not an X.509 v3 certificate in DER")
    algorithms_of(key)
    if certificate.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS:
        # Such a key may be bound to parameters, which the library reads past.
        raise CannotVerify(
            "the signer's key is of a kind that cannot be judged here: RSASSA-PSS by its own name",
            hint=f"supported are {SUPPORTED_KEYS}",
        )
    return SigningCertificate(der, certificate, extensions, cast("PublicKey", key), issuer)


@lru_cache(maxsize=128)
def check_profile(certificate: SigningCertificate) -> None:
    """Refuse a certificate that is not one for signing code."""
    usage = extension(certificate, x509.KeyUsage)
    if usage is None or not usage.digital_signature or usage.key_cert_sign:
        raise NotVerified("the signing certificate's key usage is not digital signature alone")
    extended = extension(certificate, x509.ExtendedKeyUsage)
    if extended is None or ExtendedKeyUsageOID.CODE_SIGNING not in extended:
        raise NotVerified("the signing certificate's extended key usage lacks code signing")
    constraints = extension(certificate, x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        raise NotVerified("the signing certificate is one of a certificate authority")


def extension(certificate: SigningCertificate, kind: type[T]) -> T | None:
    """Return an extension's value, or None where the certificate has none of that kind."""
    try:
        value: T = certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
    return value


def find_issuances(
    certificate: SigningCertificate, anchors: Anchors, times: tuple[datetime, ...]
) -> tuple[Issuance, ...]:
    """Return every authority whose chain holds at one of `times` (UTC); refuse without any.

    At each of them one must hold, not the same one: an authority's certificate may end, and the
    one that was issued after it begin, between two of them. The period that the trusted root sets
    an authority is step 7's to enforce.
    """
    check_validity("the signing certificate", certificate.parsed, times)
    chains = (
        (authority, build_chain(certificate.der, authority)) for authority in anchors.authorities
    )
    found = [Issuance(authority, chain) for authority, chain in chains if chain is not None]
    if not found:
        names = ", ".join(authority.name for authority in anchors.authorities)
        raise anchors.unknown(
            "the signing certificate's issuer",
            expected=f"a chain to one of {names}",
            actual=show(certificate.issuer) or "none that is named",
        )
    for time in times:
        if not any(one.valid_at(time) for one in found):
            for above in found[0].chain:
                check_validity("a certificate of the authority", above, (time,))
    return tuple(one for one in found if any(one.valid_at(time) for time in times))


def check_validity(what: str, certificate: x509.Certificate, times: tuple[datetime, ...]) -> None:
    """Refuse a certificate that was not valid at one of the times (RFC 5280 §4.1.2.5)."""
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    for time in times:
        if not start <= time <= end:
            raise mismatch(
                "time of signing",
                expected=f"the validity of {what}, {start.isoformat()} to {end.isoformat()}",
                actual=time.isoformat(),
            )


@lru_cache(maxsize=128)
def build_chain(der: bytes, authority: Authority) -> tuple[x509.Certificate, ...] | None:
    """Build the path from a certificate to an authority's root (RFC 5280 §6), or return None.

    Yields the certificates above the leaf. Only the root is an anchor. The path is validated for
    the moment at which the leaf was issued, or the last certificate above it, which may be younger
    where an authority was issued anew; the caller holds each certificate against the times of
    signing, so one answer serves all signatures that were made with one certificate.

    Extended key usages are left to `check_profile`, because the library knows those of TLS and not
    code signing; its other demands stay as they are.
    """
    *intermediates, root = authority.chain
    policy = ExtensionPolicy.webpki_defaults_ee().may_be_present(*PLAIN_USAGE)
    with reading("the signing certificate"):
        leaf = x509.load_der_x509_certificate(der)
        issued = leaf.not_valid_before_utc
        moments = (issued, max(issued, *(one.not_valid_before_utc for one in authority.chain)))
        paths = (find_path(leaf, intermediates, root, policy, moment) for moment in moments)
        return next((path for path in paths if path is not None), None)


def find_path(
    leaf: x509.Certificate,
    intermediates: list[x509.Certificate],
    root: x509.Certificate,
    policy: ExtensionPolicy,
    moment: datetime,
) -> tuple[x509.Certificate, ...] | None:
    """Return the certificates from above the leaf up to the root (RFC 5280 §6), or None.

    `policy` is for the leaf's extensions; the path is the one that is valid at `moment` (UTC).
    """
    verifier = (
        PolicyBuilder()
        .store(Store([root]))
        .time(moment)
        .extension_policies(
            ca_policy=ExtensionPolicy.webpki_defaults_ca().may_be_present(*ANY_USAGE),
            ee_policy=policy,
        )
        .build_client_verifier()
    )
    try:
        return tuple(verifier.verify(leaf, intermediates).chain[1:])
    except VerificationError:
        return None

"""GitHub's own Sigstore: certificates and time stamps, and no log of any kind.

So GitHub signs for private repositories, and what it attests of immutable releases itself. No
client talks to it, so it has no address; how GitHub hands out what it signed is the stand-in's.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from release_tool.rehearsal.sigstore import authority, der
from release_tool.rehearsal.sigstore.authority import BACKDATED, SIGN_DIGITALLY, Authority
from release_tool.rehearsal.sigstore.fields import encode_base64
from release_tool.rehearsal.sigstore.oidc import Clock
from release_tool.rehearsal.sigstore.signatures import pre_authenticate
from release_tool.rehearsal.sigstore.trustconfig import TRUSTED_ROOT, describe_authority, since
from release_tool.rehearsal.sigstore.tsa import GRANTED, SHA256, Query, TimestampAuthority

PAYLOAD_TYPE = "application/vnd.in-toto+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
FULCIO, TIMESTAMPS = "fulcio.rehearsal.example", "timestamp.rehearsal.example"
LIFETIME = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class PrivateSigstore:
    """The two authorities, and what they sign."""

    ca: Authority
    tsa: TimestampAuthority
    clock: Clock

    @classmethod
    def make(cls, clock: Clock = lambda: datetime.now(UTC)) -> Self:
        """Make both authorities below a root of their own."""
        now = clock()
        root = Authority.make_root(authority.ROOT_NAME, now)
        stamper = root.make_timestamper(authority.TIMESTAMP_NAME, now)
        ca = root.make_intermediate(authority.INTERMEDIATE_NAME, now)
        return cls(ca, TimestampAuthority(stamper, clock), clock)

    @property
    def trusted_root(self) -> bytes:
        """The trusted root as one line of JSON; it names no log and no CT log."""
        window = since(self.clock() - BACKDATED)
        document = {
            "mediaType": TRUSTED_ROOT,
            "certificateAuthorities": [describe_authority(self.ca, FULCIO, window)],
            "timestampAuthorities": [describe_authority(self.tsa.authority, TIMESTAMPS, window)],
        }
        return json.dumps(document).encode() + b"\n"

    def certify(
        self,
        key: CertificatePublicKeyTypes,
        identity: str,
        extensions: Sequence[x509.ExtensionType] = (),
    ) -> x509.Certificate:
        """Certify a key for an identity, with what else its certificate is to say."""
        now = self.clock().replace(microsecond=0)
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)])
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.ca.certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + LIFETIME)
            .add_extension(SIGN_DIGITALLY, critical=True)
            .add_extension(usage, critical=False)
            .add_extension(names, critical=True)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return self.ca.sign(builder)

    def stamp(self, signature: bytes) -> bytes:
        """Make the time-stamp response (RFC 3161) for a signature."""
        digest = der.octet_string(hashlib.sha256(signature).digest())
        imprint = der.sequence(der.sequence(der.oid(SHA256)), digest)
        token = self.tsa.sign(Query(imprint, None, with_certificates=True), self.clock())
        return der.sequence(der.sequence(der.integer(GRANTED)), token)

    def seal(
        self, certificate: x509.Certificate, signature: bytes, content: dict[str, Any]
    ) -> bytes:
        """Put a bundle together; `content` is its messageSignature or dsseEnvelope."""
        document = {
            "mediaType": BUNDLE,
            "verificationMaterial": {
                "certificate": {"rawBytes": encode_base64(certificate.public_bytes(Encoding.DER))},
                "timestampVerificationData": {
                    "rfc3161Timestamps": [{"signedTimestamp": encode_base64(self.stamp(signature))}]
                },
            },
            **content,
        }
        return json.dumps(document).encode()

    def state(
        self, payload: bytes, identity: str, extensions: Sequence[x509.ExtensionType] = ()
    ) -> bytes:
        """Sign a statement by a key of the moment; returns the bundle."""
        key = ec.generate_private_key(ec.SECP256R1())
        signature = key.sign(pre_authenticate(PAYLOAD_TYPE, payload), ec.ECDSA(hashes.SHA256()))
        certificate = self.certify(key.public_key(), identity, extensions)
        return self.seal(certificate, signature, make_envelope(payload, signature))


def make_envelope(payload: bytes, signature: bytes) -> dict[str, Any]:
    """Frame a signed statement as a bundle's dsseEnvelope."""
    envelope = {
        "payload": encode_base64(payload),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"sig": encode_base64(signature)}],
    }
    return {"dsseEnvelope": envelope}

"""TLS for stand-ins: a throw-away authority, and a certificate of it for names on this machine.

Nothing trusts the authority but who is handed its certificate; what is served is not known here.
"""

import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from release_tool.core.files import temporary_directory
from release_tool.rehearsal.sigstore.authority import (
    SIGN_DIGITALLY,
    Authority,
    common_name,
    start_certificate,
)

TLS_ROOT_NAME = "release-tool rehearsal TLS root: trust nothing"
LOOPBACK_NAMES = ("127.0.0.1", "localhost")


@dataclass(frozen=True, slots=True)
class ThrowAwayTls:
    """A server's TLS context, and the authority's certificate (PEM) that its clients must trust."""

    context: ssl.SSLContext
    authority: str


def make_tls(names: Sequence[str] = LOOPBACK_NAMES) -> ThrowAwayTls:
    """Make an authority and a certificate for `names` (host names and addresses, RFC 6125)."""
    now = datetime.now(UTC)
    root = Authority.make_root(TLS_ROOT_NAME, now)
    private = ec.generate_private_key(ec.SECP256R1())
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    certificate = root.sign(
        start_certificate(names[0], common_name(root), private.public_key(), now)
        .add_extension(x509.SubjectAlternativeName(make_names(names)), critical=False)
        .add_extension(SIGN_DIGITALLY, critical=True)
        .add_extension(usage, critical=False)
    )
    key = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with temporary_directory() as directory:
        pair = directory / "server.pem"  # the interface takes files only
        pair.write_bytes(key + certificate.public_bytes(Encoding.PEM))
        context.load_cert_chain(pair)
    return ThrowAwayTls(context, root.pems[0])


def make_names(names: Sequence[str]) -> list[x509.GeneralName]:
    """Turn host names and IP addresses into what a certificate is valid for (RFC 5280 §4.2.1.6)."""
    made: list[x509.GeneralName] = []
    for name in names:
        try:
            made.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            made.append(x509.DNSName(name))
    return made

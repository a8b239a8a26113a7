"""TLS for stand-ins: a throw-away authority, and a server with a certificate of it."""

import ipaddress
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from release_tool.core.files import temporary_directory
from release_tool.rehearsal.server import HOST, LoopbackServer
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

    @property
    def server(self) -> "partial[TlsServer]":
        """What makes a server that speaks TLS, in the place of `LoopbackServer`."""
        return partial(TlsServer, self.context)


class TlsServer(LoopbackServer):
    """A stand-in's server that speaks HTTPS.

    The origin of downloads is called localhost: a client that compares hosts, and not ports, must
    see another one than the API's.
    """

    def __init__(self, context: ssl.SSLContext, name: str, *arguments: Any, **options: Any):
        super().__init__(name, *arguments, **options)
        self.context = context
        host = "localhost" if name == "GitHub content" else HOST
        self.url = f"https://{host}:{self.port}"

    def get_request(self) -> tuple[socket.socket, Any]:
        """Put TLS around a connection; its own thread will shake hands."""
        peer, address = super().get_request()
        secured = self.context.wrap_socket(peer, server_side=True, do_handshake_on_connect=False)
        return secured, address


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

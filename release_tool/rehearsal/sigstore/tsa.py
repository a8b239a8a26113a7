"""A timestamp authority (RFC 3161) behind the HTTP API of Sigstore's.

It attests at what time it was sent a digest.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from release_tool.core.errors import InputError
from release_tool.rehearsal.exchange import Refusal, Request, Response
from release_tool.rehearsal.server import LoopbackServer, Route
from release_tool.rehearsal.sigstore import der
from release_tool.rehearsal.sigstore.authority import Authority
from release_tool.rehearsal.sigstore.oidc import Clock

PATH = "/api/v1/timestamp"
MAX_QUERY_BYTES = 64 * 1024

POLICY = "1.3.6.1.4.1.57264.2"
SIGNED_DATA = "1.2.840.113549.1.7.2"
TST_INFO = "1.2.840.113549.1.9.16.1.4"
CONTENT_TYPE = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
SIGNING_TIME = "1.2.840.113549.1.9.5"
SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47"
ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2"
SHA256 = "2.16.840.1.101.3.4.2.1"

SHA384 = "2.16.840.1.101.3.4.2.2"
SHA512 = "2.16.840.1.101.3.4.2.3"

DIGEST_SIZES = {SHA256: 32, SHA384: 48, SHA512: 64}
"""The digests that are timestamped, by object identifier; SHA-1 and its like are not."""

UTC_TIME = 0x17
GRANTED = 0
VERSION_1, VERSION_3 = 1, 3


@dataclass(frozen=True, slots=True)
class Query:
    """A TimeStampReq: the imprint as it came, the nonce or None, and whether to add the chain."""

    imprint: bytes
    nonce: int | None
    with_certificates: bool


@dataclass(slots=True)
class TimestampAuthority:
    """A signer of timestamps; `parsers` says how a query is read, by the type of its content."""

    authority: Authority
    clock: Clock
    parsers: dict[str, Callable[[bytes], Query]] = field(
        default_factory=lambda: {"application/timestamp-query": parse_query}
    )
    url: str = ""

    def make_server(self) -> LoopbackServer:
        """Make a server; `url` is that of timestamping itself, as a signing config wants it."""
        server = LoopbackServer(
            "timestamp authority",
            [Route("POST", PATH, self.answer_query)],
            max_body_bytes=MAX_QUERY_BYTES,
        )
        self.url = server.url + PATH
        return server

    def answer_query(self, request: Request) -> Response:
        """Timestamp a digest, or refuse a query that cannot be read or granted."""
        parse = self.parsers.get(request.headers.get_content_type())
        if parse is None:
            raise Refusal(415, "unsupported content type")
        try:
            query = parse(request.body.read())
        except InputError as error:
            raise Refusal(400, f"Error parsing the timestamp query: {error.message}") from error
        token = self.sign(query, self.clock())
        answer = der.sequence(der.sequence(der.integer(GRANTED)), token)
        return Response(201, {"Content-Type": "application/timestamp-reply"}, answer)

    def sign(self, query: Query, now: datetime) -> bytes:
        """Make a TimeStampToken: signed data (RFC 5652) around a TSTInfo (RFC 3161 §2.4.2)."""
        info = encode_info(query, now)
        attributes = der.set_of(
            attribute(CONTENT_TYPE, der.oid(TST_INFO)),
            attribute(
                SIGNING_TIME, der.encode(UTC_TIME, f"{now.astimezone(UTC):%y%m%d%H%M%SZ}".encode())
            ),
            attribute(MESSAGE_DIGEST, der.octet_string(hashlib.sha256(info).digest())),
            attribute(SIGNING_CERTIFICATE_V2, self.encode_certificate_id()),
        )
        # What is signed is the SET OF; what is sent has the tag [0] in its place (RFC 5652 §5.4).
        signature = self.authority.private.sign(attributes, ec.ECDSA(hashes.SHA256()))
        (content,) = (one.content for one in der.read_elements(attributes))
        certificate = self.authority.certificate
        signer = der.sequence(
            der.integer(VERSION_1),
            der.sequence(issuer_name(certificate), der.integer(certificate.serial_number)),
            der.sequence(der.oid(SHA256)),
            der.encode(der.context(0), content),
            der.sequence(der.oid(ECDSA_WITH_SHA256)),
            der.octet_string(signature),
        )
        ders = [one.public_bytes(Encoding.DER) for one in self.authority.chain[:-1]]
        certificates = der.encode(der.context(0), *ders) if query.with_certificates else b""
        signed = der.sequence(
            der.integer(VERSION_3),
            der.set_of(der.sequence(der.oid(SHA256))),
            der.sequence(der.oid(TST_INFO), der.encode(der.context(0), der.octet_string(info))),
            certificates,
            der.set_of(signer),
        )
        return der.sequence(der.oid(SIGNED_DATA), der.encode(der.context(0), signed))

    def encode_certificate_id(self) -> bytes:
        """Write the SigningCertificateV2 that ties the token to one certificate (RFC 5035 §3)."""
        digest = self.authority.certificate.fingerprint(hashes.SHA256())
        return der.sequence(der.sequence(der.sequence(der.octet_string(digest))))


def attribute(name: str, value: bytes) -> bytes:
    """Write a CMS attribute of one value."""
    return der.sequence(der.oid(name), der.set_of(value))


def issuer_name(certificate: x509.Certificate) -> bytes:
    """Return the issuer's name in the very bytes that stand in the certificate."""
    return certificate.issuer.public_bytes()


def encode_info(query: Query, now: datetime) -> bytes:
    """Write a TSTInfo: to the second, accurate to a second, under a serial number of its own."""
    return der.sequence(
        der.integer(VERSION_1),
        der.oid(POLICY),
        query.imprint,
        der.integer(secrets.randbits(120)),
        der.generalized_time(now),
        der.sequence(der.integer(1)),
        b"" if query.nonce is None else der.integer(query.nonce),
    )


def parse_query(content: bytes) -> Query:
    """Read a TimeStampReq (RFC 3161 §2.4.1) from untrusted bytes; raises `InputError`."""
    version, imprint, *rest = pad(der.read_one(content, der.SEQUENCE).children(), 2)
    if version.to_int() != VERSION_1:
        raise InputError("the query is not of version 1")
    check_imprint(imprint)
    nonce, with_certificates = None, False
    for element in rest:
        match element.tag:
            case der.OID if element.whole == der.oid(POLICY):
                pass
            case der.INTEGER:
                nonce = element.to_int()
            case der.BOOLEAN:
                with_certificates = element.content != b"\x00"
            case _:
                raise InputError("the query asks for a policy or an extension that is not offered")
    if nonce is not None and not 0 <= nonce < 1 << 256:
        raise InputError("the nonce is negative or too long")
    return Query(imprint.whole, nonce, with_certificates)


def check_imprint(imprint: der.Element) -> None:
    """Check that a MessageImprint names a digest that is good enough, and holds one."""
    algorithm, digest = pad(imprint.children(), 2)[:2]
    name = pad(algorithm.children(), 1)[0].whole
    sizes = {der.oid(dotted): size for dotted, size in DIGEST_SIZES.items()}
    if name not in sizes:
        raise InputError("the digest's algorithm is weak or unknown")
    if digest.tag != der.OCTET_STRING or len(digest.content) != sizes[name]:
        raise InputError("the digest's length is not its algorithm's")


def pad(elements: list[der.Element], least: int) -> list[der.Element]:
    """Return the elements where there are enough of them, else raise `InputError`."""
    if len(elements) < least:
        raise InputError("the query is cut short")
    return elements

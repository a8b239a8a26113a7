"""A Fulcio: certificates of ten minutes for who holds a token and a key (API v2).

It decides as Fulcio does and logs before it issues; the certificates are worth nothing outside.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from release_tool.core.documents import JsonObject, parse_json_object
from release_tool.core.errors import InputError
from release_tool.rehearsal.exchange import Refusal, Request, Response
from release_tool.rehearsal.server import LoopbackServer, Route
from release_tool.rehearsal.sigstore.authority import SIGN_DIGITALLY, Authority
from release_tool.rehearsal.sigstore.claims import ISSUER
from release_tool.rehearsal.sigstore.ctlog import SCT_LIST, CtLog, encode_sct_list
from release_tool.rehearsal.sigstore.extensions import make_extensions, make_identity
from release_tool.rehearsal.sigstore.fields import member
from release_tool.rehearsal.sigstore.oidc import SIGSTORE_AUDIENCE, Clock, Issuer
from release_tool.rehearsal.sigstore.possession import PublicKey, check_key, check_signing_request

CERTIFICATE_LIFETIME = timedelta(minutes=10)
NOT_BEFORE_LEEWAY_SECONDS = 300

CODES = {400: 3, 401: 16, 404: 5, 405: 12, 409: 6, 411: 3, 413: 8, 500: 13}
"""HTTP status -> gRPC code, as the gateway in front of Fulcio and Rekor v2 pairs them."""


def shape_grpc(refusal: Refusal) -> Response:
    """Word an error as a gRPC gateway does."""
    body = {"code": CODES.get(refusal.status, 2), "message": refusal.message, "details": []}
    return Response.of_json(body, status=refusal.status)


@dataclass(slots=True)
class Fulcio:
    """A certificate authority behind one issuer, with a CT log.

    With `without_sct` it issues certificates that are in the log but carry no proof of it. The key
    of a request, which must not be taken over unproved, is what `check_possession` returns.
    """

    authority: Authority
    clock: Clock
    issuer: Issuer
    ctlog: CtLog
    without_sct: bool = False
    check_possession: Callable[[JsonObject, str], PublicKey] = check_signing_request
    url: str = ""

    def make_server(self) -> LoopbackServer:
        """Make a server for what a rehearsal asks of the API."""
        routes = [Route("POST", "/api/v2/signingCert", self.answer_certificate)]
        server = LoopbackServer("Fulcio", routes, shape_error=shape_grpc)
        self.url = server.url
        return server

    def answer_certificate(self, request: Request) -> Response:
        """Issue a certificate, or refuse; the steps are those that security rests on."""
        body = parse_json_object(request.body.read(), "the request")
        # (1) The token is the issuer's, for Sigstore, and valid now.
        claims = self.check_token(read_token(request, body))
        # (2) Whoever asks holds the private key.
        key = self.check_possession(body, str(claims.get("sub", "")))
        # (3) The key is of a kind and size that may sign.
        check_key(key)
        # (4) The certificate says what the token says and nothing that the request says.
        try:
            builder = self.start_leaf(key, claims)
        except InputError as error:
            raise Refusal(400, "There was an error processing the identity token") from error
        # (5) It is in the CT log before it exists.
        leaf = self.issue(builder)
        pems = [leaf.public_bytes(Encoding.PEM).decode(), *self.authority.pems]
        return Response.of_json({"signedCertificateEmbeddedSct": {"chain": {"certificates": pems}}})

    def check_token(self, token: str) -> JsonObject:
        """Return the claims of a token that may have a certificate; raises `Refusal`."""
        try:
            # (1) GitHub's name leads to the loopback issuer: signed by its key, in its name, and
            # made for Sigstore, not for another service that could pass it on.
            claims: JsonObject = jwt.decode(
                token,
                self.issuer.private.public_key(),
                ["RS256"],
                audience=SIGSTORE_AUDIENCE,
                issuer=ISSUER,
                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
            # (2) Valid now, by the clock that was passed in; only its beginning is given some
            # leeway, as Fulcio gives it.
            now = self.clock().timestamp()
            if read_time(claims, "exp") <= now:
                raise InputError("the token has expired")
            if read_time(claims, "nbf") > now + NOT_BEFORE_LEEWAY_SECONDS:
                raise InputError("the token is not valid yet")
        except (InputError, jwt.PyJWTError) as error:
            raise Refusal(400, "There was an error processing the identity token") from error
        return claims

    def start_leaf(self, key: PublicKey, claims: JsonObject) -> x509.CertificateBuilder:
        """Start a leaf certificate: empty subject, the identity as a critical SAN."""
        now = self.clock().replace(microsecond=0)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.authority.certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + CERTIFICATE_LIFETIME)
            .add_extension(SIGN_DIGITALLY, critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(
                    self.authority.private.public_key()
                ),
                critical=False,
            )
            .add_extension(
                x509.SubjectAlternativeName(
                    [x509.UniformResourceIdentifier(make_identity(claims))]
                ),
                critical=True,
            )
        )
        for extension in make_extensions(claims):
            builder = builder.add_extension(extension, critical=False)
        return builder

    def issue(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        """Log what a certificate is to say, and return it with the log's timestamp added.

        Its other extensions keep their order: the log's signature covers them (RFC 6962 §3.2).
        """
        logged = builder.sign(self.authority.private, hashes.SHA384()).tbs_certificate_bytes
        sct = self.ctlog.promise(logged, self.authority.certificate)
        if not self.without_sct:
            embedded = x509.UnrecognizedExtension(SCT_LIST, encode_sct_list(sct))
            builder = builder.add_extension(embedded, critical=False)
        return builder.sign(self.authority.private, hashes.SHA384())


def read_token(request: Request, body: JsonObject) -> str:
    """Find the token in the Authorization header or in the body; raises `Refusal` 400."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        token = member(body, "credentials", "oidcIdentityToken")
    if not isinstance(token, str) or not token:
        raise Refusal(400, "There was an error processing the credentials for this request")
    return token


def read_time(claims: JsonObject, name: str) -> float:
    """Read a time claim in seconds since 1970; raises `InputError`."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"the token's {name} is not a time")
    return value

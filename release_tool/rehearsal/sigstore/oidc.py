"""An OpenID Connect issuer with GitHub Actions' endpoints, for a job and for who checks tokens.

The tokens are as good as GitHub's but for their key; whether to believe them is Fulcio's choice.
"""

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from release_tool.rehearsal.exchange import Refusal, Request, Response
from release_tool.rehearsal.server import LoopbackServer, Route
from release_tool.rehearsal.sigstore.claims import ISSUER, SERVER, Claims

Clock = Callable[[], datetime]

TOKEN_LIFETIME_SECONDS = 300
SIGSTORE_AUDIENCE = "sigstore"


class Issuer:
    """The issuer of one run's tokens: a key made on the spot, a bearer token that only it knows."""

    def __init__(self, claims: Claims, clock: Clock) -> None:
        self.claims = claims
        self.clock = clock
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.key_id = secrets.token_hex(20).upper()
        self.bearer = secrets.token_urlsafe(32)
        self.url = ""

    def make_server(self) -> LoopbackServer:
        """Make a server for the tokens that jobs ask for."""
        routes = [Route("GET", "/actions/idtoken", self.answer_token)]
        server = LoopbackServer("OIDC issuer", routes)
        self.url = server.url
        return server

    def make_token(self, **overrides: Any) -> str:
        """Sign a token for audience `sigstore`; an override of None leaves its claim out."""
        now = int(self.clock().timestamp())
        claims = self.claims.to_token() | {
            "iss": ISSUER,
            "aud": SIGSTORE_AUDIENCE,
            "jti": secrets.token_hex(16),
            "iat": now,
            "nbf": now,
            "exp": now + TOKEN_LIFETIME_SECONDS,
        }
        claims |= overrides
        given = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(given, self.private, "RS256", {"kid": self.key_id, "x5t": self.key_id})

    def environment(self) -> dict[str, str]:
        """Return the variables that a job with `id-token: write` sees."""
        return self.claims.to_environment() | {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.url}/actions/idtoken?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": self.bearer,
        }

    def answer_token(self, request: Request) -> Response:
        """Give a token to the job that sends the bearer token, for the audience that it names."""
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        known = secrets.compare_digest(bearer.encode(), self.bearer.encode())
        if scheme.lower() != "bearer" or not known:
            raise Refusal(401, "the job's request token is missing or wrong")
        audience = request.query.get("audience", f"{SERVER}/{self.claims.repo.owner}")
        token = self.make_token(aud=audience)
        return Response.of_json({"count": len(token), "value": token})

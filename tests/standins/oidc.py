"""What an issuer is asked by who checks its tokens (OpenID Connect Discovery)."""

from dataclasses import dataclass

import jwt

from release_tool.rehearsal.exchange import Request, Response
from release_tool.rehearsal.server import Route
from release_tool.rehearsal.sigstore.claims import ISSUER
from release_tool.rehearsal.sigstore.oidc import Issuer


@dataclass(frozen=True, slots=True)
class IssuerQuestions:
    """Answers questions about an issuer."""

    issuer: Issuer

    def routes(self) -> list[Route]:
        """List the routes."""
        return [
            Route("GET", "/.well-known/openid-configuration", self.answer_discovery),
            Route("GET", "/.well-known/jwks", self.answer_keys),
        ]

    def answer_discovery(self, _request: Request) -> Response:
        """Describe the issuer (OpenID Connect Discovery §4); the name is GitHub's, the keys not."""
        return Response.of_json(
            {
                "issuer": ISSUER,
                "jwks_uri": f"{self.issuer.url}/.well-known/jwks",
                "subject_types_supported": ["public", "pairwise"],
                "response_types_supported": ["id_token"],
                "claims_supported": sorted(self.issuer.claims.to_token()),
                "id_token_signing_alg_values_supported": ["RS256"],
                "scopes_supported": ["openid"],
            }
        )

    def answer_keys(self, _request: Request) -> Response:
        """Publish the key that tokens are signed with."""
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self.issuer.private.public_key(), as_dict=True)
        names = {"kid": self.issuer.key_id, "alg": "RS256", "use": "sig"}
        return Response.of_json({"keys": [public | names]})

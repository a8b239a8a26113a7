"""What Fulcio is asked by clients other than ours: with a bare key, and about itself."""

from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from release_tool.core.documents import JsonObject
from release_tool.rehearsal.exchange import Refusal, Request, Response
from release_tool.rehearsal.server import Route
from release_tool.rehearsal.sigstore.claims import ISSUER
from release_tool.rehearsal.sigstore.fields import decode_base64, member
from release_tool.rehearsal.sigstore.fulcio import Fulcio
from release_tool.rehearsal.sigstore.oidc import SIGSTORE_AUDIENCE
from release_tool.rehearsal.sigstore.possession import (
    PublicKey,
    check_signing_request,
    digest_of,
)


@dataclass(frozen=True, slots=True)
class FulcioQuestions:
    """Answers questions about an authority."""

    fulcio: Fulcio

    def routes(self) -> list[Route]:
        """List the routes."""
        return [
            Route("GET", "/api/v2/trustBundle", self.answer_trust_bundle),
            Route("GET", "/api/v2/configuration", self.answer_configuration),
        ]

    def answer_trust_bundle(self, _request: Request) -> Response:
        """Publish the chain that certificates are issued under."""
        return Response.of_json({"chains": [{"certificates": self.fulcio.authority.pems}]})

    def answer_configuration(self, _request: Request) -> Response:
        """Say whose tokens are taken."""
        issuer = {
            "issuerUrl": ISSUER,
            "audience": SIGSTORE_AUDIENCE,
            "challengeClaim": "sub",
            "spiffeTrustDomain": "",
        }
        return Response.of_json({"issuers": [issuer]})


def check_possession(body: JsonObject, subject: str) -> PublicKey:
    """Return the public key whose private half the sender holds; raises `Refusal` 400.

    Shown by a signing request (signed with the key), or by a signature over the token's subject.
    """
    if body.get("certificateSigningRequest"):
        return check_signing_request(body, subject)
    asked = body.get("publicKeyRequest")
    content = member(asked, "publicKey", "content")
    try:
        key: Any = load_pem_public_key(content.encode())
    except (ValueError, AttributeError, UnsupportedAlgorithm) as error:
        message = "The public key supplied in the request could not be parsed"
        raise Refusal(400, message) from error
    proof = decode_base64(member(asked, "proofOfPossession"), "the proof of possession")
    try:
        check_proof(key, proof, subject.encode())
    except (InvalidSignature, TypeError) as error:
        message = "The signature supplied in the request could not be verified"
        raise Refusal(400, message) from error
    return key  # type: ignore[no-any-return]


def check_proof(key: PublicKey, signature: bytes, message: bytes) -> None:
    """Check a signature by any kind of key; raises `InvalidSignature` or `TypeError`."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, message, ec.ECDSA(digest_of(key) or hashes.SHA256()))
    elif isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, message)
    elif isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    else:
        raise TypeError("a key that cannot sign")

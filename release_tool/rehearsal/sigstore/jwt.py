"""JSON web tokens signed with RS256 (RFC 7515, RFC 7518), written and read.

It tells whose signature a token bears and what it claims; whether that is enough, Fulcio decides.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from release_tool.core.documents import JsonObject, parse_json_object
from release_tool.core.errors import InputError

MAX_TOKEN_LENGTH = 16 * 1024


def encode_part(content: bytes) -> str:
    """Write bytes in base64url without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def decode_part(text: str) -> bytes:
    """Read base64url without padding; raises `InputError`."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise InputError("the token is not base64url") from error


def sign_token(private: rsa.RSAPrivateKey, key_id: str, claims: Mapping[str, Any]) -> str:
    """Sign claims into a token."""
    header = {"typ": "JWT", "alg": "RS256", "kid": key_id, "x5t": key_id}
    parts = [encode_part(json.dumps(part).encode()) for part in (header, claims)]
    message = ".".join(parts)
    signature = private.sign(message.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{message}.{encode_part(signature)}"


def make_jwk(public: rsa.RSAPublicKey, key_id: str) -> dict[str, str]:
    """Describe a public key as a JSON web key (RFC 7517)."""
    numbers = public.public_numbers()
    modulus = numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")
    exponent = numbers.e.to_bytes((numbers.e.bit_length() + 7) // 8, "big")
    return {
        "kty": "RSA",
        "alg": "RS256",
        "use": "sig",
        "kid": key_id,
        "n": encode_part(modulus),
        "e": encode_part(exponent),
    }


def split_token(token: str) -> tuple[JsonObject, JsonObject, bytes, bytes]:
    """Return a token's header, its claims, the bytes that are signed, and the signature.

    Nothing of it is to be believed yet. Raises `InputError`.
    """
    parts = token.split(".")
    if len(token) > MAX_TOKEN_LENGTH or len(parts) != 3 or not token.isascii():
        raise InputError("not a JSON web token")
    header = parse_json_object(decode_part(parts[0]), "the token's header")
    claims = parse_json_object(decode_part(parts[1]), "the token's claims")
    return header, claims, f"{parts[0]}.{parts[1]}".encode(), decode_part(parts[2])


def check_signature(token: str, jwks: JsonObject) -> None:
    """Check a token's signature against the issuer's key set; raises `InputError`."""
    header, _claims, message, signature = split_token(token)
    if header.get("alg") != "RS256":
        raise InputError("the token is not signed with RS256")
    for jwk in jwks.get("keys", []):
        if jwk.get("kid") == header.get("kid"):
            break
    else:
        raise InputError("the issuer has no such key")
    exponent, modulus = (int.from_bytes(decode_part(jwk[name]), "big") for name in "en")
    public = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    try:
        public.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature as error:
        raise InputError("the token's signature is wrong") from error

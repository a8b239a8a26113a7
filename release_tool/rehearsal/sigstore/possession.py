"""Proof that whoever asks for a certificate holds the private key that it will name.

Whose token comes with the request is checked elsewhere; here it is about keys alone.
"""

from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from release_tool.core.documents import JsonObject
from release_tool.rehearsal.exchange import Refusal
from release_tool.rehearsal.sigstore.fields import decode_base64

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey

CURVE_DIGESTS: dict[str, hashes.HashAlgorithm] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}
"""The curves that are certified, each with the one digest that its keys may sign with."""


def check_signing_request(body: JsonObject, _subject: str) -> PublicKey:
    """Return the key of a PKCS #10 request that it signed itself; raises `Refusal` 400."""
    request = body.get("certificateSigningRequest")
    pem = decode_base64(request, "the certificate signing request")
    try:
        signing_request = x509.load_pem_x509_csr(pem)
        key: Any = signing_request.public_key()
        valid = signing_request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm) as error:
        message = "The certificate signing request could not be parsed"
        raise Refusal(400, message) from error
    if not valid:
        raise Refusal(400, "The signature supplied in the request could not be verified")
    signed = signing_request.signature_hash_algorithm
    wanted = digest_of(key)
    if signed is not None and wanted is not None and signed.name != wanted.name:
        raise Refusal(400, f"signing algorithm not permitted: {signed.name}")
    return key  # type: ignore[no-any-return]


def digest_of(key: PublicKey) -> hashes.HashAlgorithm | None:
    """Return the digest that a key signs with; None where there is no choice, or no such curve."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return CURVE_DIGESTS.get(key.curve.name)
    return hashes.SHA256() if isinstance(key, rsa.RSAPublicKey) else None


def check_key(key: PublicKey) -> None:
    """Refuse keys that Fulcio would not certify: other kinds, other curves, short RSA."""
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVE_DIGESTS:
        return
    if isinstance(key, rsa.RSAPublicKey) and key.key_size in (2048, 3072, 4096):
        return
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise Refusal(400, "The public key supplied in the request is insecure")

"""Proof that whoever asks for a certificate holds the private key that it will name.

Whose token comes with the request is checked elsewhere; here it is about keys alone.
"""

from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from release_tool.core.documents import JsonObject
from release_tool.rehearsal.exchange import Refusal
from release_tool.rehearsal.sigstore.fields import decode_base64, member

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey

CURVE_DIGESTS: dict[str, hashes.HashAlgorithm] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}
"""The curves that are certified, each with the one digest that its keys may sign with."""


def check_possession(body: JsonObject, subject: str) -> PublicKey:
    """Return the public key whose private half the sender holds; raises `Refusal` 400.

    Shown by a signing request (signed with the key), or by a signature over the token's subject.
    """
    request = body.get("certificateSigningRequest")
    if request:
        return check_signing_request(decode_base64(request, "the certificate signing request"))
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


def check_signing_request(pem: bytes) -> PublicKey:
    """Return the key of a PKCS #10 request that it signed itself; raises `Refusal` 400."""
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


def check_key(key: PublicKey) -> None:
    """Refuse keys that Fulcio would not certify: other kinds, other curves, short RSA."""
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVE_DIGESTS:
        return
    if isinstance(key, rsa.RSAPublicKey) and key.key_size in (2048, 3072, 4096):
        return
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise Refusal(400, "The public key supplied in the request is insecure")

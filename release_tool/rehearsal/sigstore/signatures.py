"""What both versions of Rekor check before an entry is logged: that its signature is good.

They check it against the certificate in the entry; whose that is, they do not check.
"""

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from release_tool.rehearsal.exchange import Refusal

DIGESTS: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


def read_key(certificate: bytes) -> ec.EllipticCurvePublicKey:
    """Return the key of a certificate in PEM or DER; raises `Refusal` 400."""
    is_pem = certificate.lstrip().startswith(b"-----BEGIN")
    load = x509.load_pem_x509_certificate if is_pem else x509.load_der_x509_certificate
    try:
        key = load(certificate).public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Refusal(400, "the certificate cannot be parsed") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise Refusal(400, "keys of this kind cannot sign a digest")
    return key


def check_digest(
    key: ec.EllipticCurvePublicKey, signature: bytes, digest: bytes, algorithm: str
) -> None:
    """Check a signature over a digest; raises `Refusal` 400."""
    known = DIGESTS.get(algorithm)
    if known is None or len(digest) != known.digest_size:
        raise Refusal(400, "the digest's length is not its algorithm's")
    try:
        key.verify(signature, digest, ec.ECDSA(utils.Prehashed(known)))
    except InvalidSignature as error:
        raise Refusal(400, "the signature does not cover the digest") from error


def pre_authenticate(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that a DSSE signature covers (DSSE v1, pre-authentication encoding)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)

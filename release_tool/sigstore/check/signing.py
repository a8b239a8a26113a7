"""The ways of signing that a signer's key may use, as Sigstore's registry pairs keys and digests.

Knows keys and digests and no bundle; which certificate a key is of is `certificate`'s.
https://github.com/sigstore/architecture-docs/blob/main/algorithm-registry.md
"""

from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from release_tool.core.errors import CannotVerify
from release_tool.sigstore.check.cms import SHA2
from release_tool.sigstore.check.keys import (
    CURVES,
    ED25519_DETAILS,
    RSA_DETAILS,
    PublicKey,
)

HASHES = {algorithm.name: algorithm for algorithm in SHA2.values()}
EARLY = "PKIX_ECDSA_P384_SHA_256"
"""What sigstore-python before 2.0 used, always in bundles of version 0.1."""

SUPPORTED_KEYS = "ECDSA on P-256, P-384 or P-521, RSA of 2048, 3072 or 4096 bits, and Ed25519"


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A way of signing: its name in the registry, and the digest that is signed.

    `hash` is None where the message itself is signed, as by Ed25519.
    """

    details: str
    hash: str | None

    def signed(self, key: PublicKey, signature: bytes, covered: bytes) -> bool:
        """Tell whether a key made the signature over a digest, or over the message."""
        try:
            if isinstance(key, ed25519.Ed25519PublicKey):
                key.verify(signature, covered)
            elif self.hash is None:
                return False
            elif isinstance(key, rsa.RSAPublicKey):
                algorithm = HASHES[self.hash]
                scheme = (
                    padding.PSS(padding.MGF1(algorithm), padding.PSS.AUTO)
                    if "_PSS_" in self.details
                    else padding.PKCS1v15()
                )
                key.verify(signature, covered, scheme, Prehashed(algorithm))
            else:
                key.verify(signature, covered, ec.ECDSA(Prehashed(HASHES[self.hash])))
        except InvalidSignature:
            return False
        return True


def algorithms_of(key: object, *, early: bool = False) -> tuple[Algorithm, ...]:
    """List the ways in which a key may sign; raises `CannotVerify` for a key of another kind.

    `early` adds the one that bundles of version 0.1 may use. Of an RSA key nothing but the
    signature, or a log entry, tells which padding it used.
    """
    found: list[Algorithm] = []
    if isinstance(key, ed25519.Ed25519PublicKey):
        found = [Algorithm(ED25519_DETAILS, None)]
    elif isinstance(key, rsa.RSAPublicKey):
        plain = [name for name, size in RSA_DETAILS.items() if size == key.key_size]
        names = [*plain, *(name.replace("PKCS1V15", "PSS") for name in plain)]
        found = [Algorithm(name, "sha256") for name in names]
    elif isinstance(key, ec.EllipticCurvePublicKey):
        found = [
            Algorithm(name, algorithm.name)
            for name, (curve, algorithm) in CURVES.items()
            if curve == key.curve.name
        ]
        if early and key.curve.name == "secp384r1":
            found.insert(0, Algorithm(EARLY, "sha256"))
    if not found:
        raise CannotVerify(
            f"the signer's key is of a kind that cannot be judged here: {name_of(key)}",
            hint=f"supported are {SUPPORTED_KEYS}",
        )
    return tuple(found)


def name_of(key: object) -> str:
    """Name the kind of a key, with its curve or its size."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"ECDSA on {key.curve.name}"
    kind = type(key).__name__.removesuffix("PublicKey").lstrip("_")
    size = getattr(key, "key_size", None)
    return kind if size is None else f"{kind} of {size} bits"

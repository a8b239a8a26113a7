"""Which of several trusted roots a bundle is held against: the one whose authority issued it.

Whether the bundle holds is for the steps; what is chosen here only says which demands they make.
"""

from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from release_tool.core.errors import InputError
from release_tool.sigstore.check.certificate import SigningCertificate, build_chain
from release_tool.sigstore.check.refusal import mismatch, show
from release_tool.sigstore.check.root import Anchors


def choose_root(certificate: SigningCertificate, roots: tuple[Anchors, ...]) -> Anchors:
    """Return the one root whose authority issued the certificate.

    What is demanded differs from root to root, so it must be no choice: where the certificate that
    issued this one, or another one of its key, stands in a second root, it is for whoever wrote the
    roots down to say which of them counts. Raises `InputError` there.
    """
    if len(roots) == 1:
        return roots[0]
    issuers = [
        chain[0].public_key()
        for anchors in roots
        for authority in anchors.authorities
        if (chain := build_chain(certificate.der, authority)) is not None
    ]
    found = [anchors for anchors in roots if names_any(anchors, issuers)]
    if not found:
        raise mismatch(
            "the signing certificate's issuer",
            expected="a chain to an authority of one of the trusted roots",
            actual=show(certificate.issuer) or "none that is named",
        )
    if len(found) > 1:
        raise InputError(
            f"{len(found)} of the trusted roots name the authority {show(certificate.issuer)}, and "
            "what each of them demands may differ",
            hint="leave the root in the file that is to be believed for that authority",
        )
    return found[0]


def names_any(anchors: Anchors, keys: list[CertificatePublicKeyTypes]) -> bool:
    """Tell whether a certificate of a root's authorities has one of these keys."""
    return any(
        certificate.public_key() in keys
        for authority in anchors.authorities
        for certificate in authority.chain
    )

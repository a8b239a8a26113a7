"""What a Fulcio certificate says of its signer, read strictly.

Compares nothing with any expectation; that is `policy`'s.
https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md
"""

from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509

from release_tool.core.errors import CannotVerify, NotVerified
from release_tool.sigstore.check.certificate import SigningCertificate, extension
from release_tool.sigstore.check.der import UTF8_STRING, body
from release_tool.sigstore.check.refusal import mismatch, reading

ARC = "1.3.6.1.4.1.57264.1"
LEGACY_ISSUER, ISSUER = 1, 8
FIELDS = {
    ISSUER: "issuer",
    9: "build_signer_uri",
    11: "runner",
    12: "repo",
    13: "commit",
    14: "ref",
    15: "repo_id",
    17: "owner_id",
    18: "workflow",
    20: "trigger",
    21: "run_url",
}


@dataclass(frozen=True, slots=True)
class Claims:
    """The one subject alternative name, the issuer, and Fulcio's claims of the build, if any.

    `repo` is the source repository's URI and `workflow` the top-level workflow's, with its ref.
    """

    identity: str
    issuer: str
    build_signer_uri: str | None = None
    runner: str | None = None
    repo: str | None = None
    commit: str | None = None
    ref: str | None = None
    repo_id: str | None = None
    owner_id: str | None = None
    workflow: str | None = None
    trigger: str | None = None
    run_url: str | None = None


@lru_cache(maxsize=128)
def read_claims(certificate: SigningCertificate) -> Claims:
    """Read the claims; raises `CannotVerify` where one is malformed."""
    values = {
        name: decode_utf8_string(content, f"the certificate's extension {ARC}.{number}")
        for number, name in FIELDS.items()
        if (content := fulcio_extension(certificate, number)) is not None
    }
    legacy = fulcio_extension(certificate, LEGACY_ISSUER)
    if legacy is not None:
        # Older certificates have the issuer as bare text; where both stand, both must agree.
        with reading("the certificate's issuer extension"):
            text = legacy.decode("utf-8")
        if values.setdefault("issuer", text) != text:
            raise mismatch("the certificate's two issuers", expected=values["issuer"], actual=text)
    if "issuer" not in values:
        raise NotVerified("the certificate does not say which issuer vouched for its signer")
    return Claims(identity=read_identity(certificate), **values)


def has_issuer(certificate: SigningCertificate) -> bool:
    """Tell whether a certificate names an OIDC issuer, in either form."""
    forms = (LEGACY_ISSUER, ISSUER)
    return any(fulcio_extension(certificate, number) is not None for number in forms)


def read_identity(certificate: SigningCertificate) -> str:
    """Return the certificate's only subject alternative name, a URI or an e-mail address."""
    with reading("the certificate's subject alternative name"):
        names = list(extension(certificate, x509.SubjectAlternativeName) or ())
    if len(names) != 1:
        raise mismatch("names in the certificate", expected="one", actual=len(names))
    name = names[0]
    if not isinstance(name, x509.UniformResourceIdentifier | x509.RFC822Name):
        raise CannotVerify(
            "the certificate's name is of a kind that cannot be judged here: "
            f"{type(name).__name__}",
            hint="supported are URIs and e-mail addresses",
        )
    return name.value


def fulcio_extension(certificate: SigningCertificate, number: int) -> bytes | None:
    """Return the bytes of one of Fulcio's extensions, or None."""
    wanted = x509.ObjectIdentifier(f"{ARC}.{number}")
    try:
        value = certificate.extensions.get_extension_for_oid(wanted).value
    except x509.ExtensionNotFound:
        return None
    return value.value if isinstance(value, x509.UnrecognizedExtension) else value.public_bytes()


def decode_utf8_string(content: bytes, what: str) -> str:
    """Decode one DER UTF8String with nothing behind it."""
    with reading(what):
        return body(content, UTF8_STRING, what).decode("utf-8")

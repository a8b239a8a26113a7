"""Where a signing identity comes from: what the user gives, the CI's ambient token, or a browser.

Obtains an OIDC identity token and says whose it is; what is signed with it is not known here.
"""

from dataclasses import dataclass

import jwt
from sigstore.errors import Error, NetworkError
from sigstore.models import ClientTrustConfig
from sigstore.oidc import IdentityError, IdentityToken, Issuer, IssuerError, detect_credential

from release_tool.core.errors import SigningError, TryAgain
from release_tool.core.names import RepoSlug
from release_tool.trust.instance import SigstoreInstance
from release_tool.trust.signer import GITHUB_ISSUER, ExpectedSigner

NO_IDENTITY_HINT = (
    "in GitHub Actions give the job `permissions: id-token: write`; elsewhere run it on a "
    "terminal to sign in with a browser, or give --identity-token"
)


class NoIdentity(SigningError):
    """Nobody gave an identity, and there is none around."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A token that Fulcio will take, and whom it names; the token never shows in a repr."""

    token: IdentityToken

    @property
    def subject(self) -> str:
        """Whom the token names."""
        return str(self.token.identity)

    @property
    def issuer(self) -> str:
        """Who vouches for it."""
        return str(self.token.federated_issuer)

    @property
    def signer(self) -> ExpectedSigner:
        """Whom a certificate made from this token will name, as Fulcio derives it.

        For GitHub Actions that is the workflow in `job_workflow_ref`, not the token's `sub`. The
        claims are read unverified: they say what to expect of a bundle that is verified anyway.
        """
        if self.issuer != GITHUB_ISSUER:
            return ExpectedSigner.exact(self.subject, self.issuer)
        claims = jwt.decode(str(self.token), options={"verify_signature": False})
        workflow, repository = str(claims.get("job_workflow_ref")), str(claims.get("repository"))
        identity = f"https://github.com/{workflow}"
        if "/" not in repository or "/" not in workflow:
            raise SigningError("the signing identity names no repository and no workflow")
        ref = str(claims.get("ref")) if claims.get("ref") else None
        return ExpectedSigner(identity, self.issuer, repo=RepoSlug.parse(repository), ref=ref)

    def __repr__(self) -> str:
        return f"Identity({self.subject} by {self.issuer})"


def open_identity(instance: SigstoreInstance, given: str | None, *, interactive: bool) -> Identity:
    """Find an identity: the token given, else the ambient one, else a person at a browser.

    Checks what a client can check (audience and times); Fulcio checks the rest. Raises
    `SigningError` where there is none or it is refused, `TryAgain` where the issuer is away.
    """
    try:
        raw = given or detect_credential()
        if raw is not None:
            return Identity(IdentityToken(raw.strip()))
        if not interactive:
            raise NoIdentity("there is no signing identity", hint=NO_IDENTITY_HINT)
        return Identity(ask_browser(instance))
    except NetworkError as error:
        raise TryAgain("the OIDC issuer cannot be reached") from error
    except (IdentityError, IssuerError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise SigningError(
            f"the signing identity was refused: {lines[0][:200]}", hint=NO_IDENTITY_HINT
        ) from error


def ask_browser(instance: SigstoreInstance) -> IdentityToken:
    """Send a person to the instance's OIDC issuer and wait for the answer."""
    try:
        config = ClientTrustConfig.from_json(instance.trust_config.decode())
        url = config.signing_config.get_oidc_url()
    except (Error, ValueError) as error:
        raise SigningError(f"{instance.source} names no OIDC issuer: {error}") from error
    return Issuer(url).identity_token()

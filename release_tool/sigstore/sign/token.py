"""Where a signing identity comes from: what the user gives, the CI's ambient token, or a browser.

Obtains an OIDC identity token and says whose it is; what is signed with it is not known here.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

import jwt
import requests
from sigstore.errors import Error, NetworkError
from sigstore.models import ClientTrustConfig
from sigstore.oidc import IdentityError, IdentityToken, Issuer, IssuerError, detect_credential

from release_tool.core.errors import SigningError, TryAgain
from release_tool.core.names import RepoSlug
from release_tool.core.patience import Patience
from release_tool.sigstore.check.claims import Claims
from release_tool.sigstore.check.policy import GITHUB
from release_tool.sigstore.sign.services import (
    limit,
    make_patience,
    refusals,
)
from release_tool.sigstore.trust.instance import SigstoreInstance
from release_tool.sigstore.trust.signer import GITHUB_ISSUER, ExpectedSigner

NO_IDENTITY_HINT = (
    "in GitHub Actions give the job `permissions: id-token: write`; elsewhere run it on a "
    "terminal to sign in with a browser, or give --identity-token"
)
GIVEN_HINT = "give a fresh OIDC token whose audience is sigstore; they live for minutes"
OTHER_HINT = (
    "sign in GitHub Actions or in a browser, or give --identity-token for an identity that is a "
    "mail address, such as a service account's"
)
AUDIENCE = "sigstore"
REQUEST_VARIABLES = ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
OTHER_CI = {
    "GITLAB_CI": ("GitLab CI", "https://gitlab.com"),
    "BUILDKITE": ("Buildkite", "https://agent.buildkite.com"),
    "CIRCLECI": ("CircleCI", "https://oidc.circleci.com"),
}
"""Whose certificates name a pipeline and not the token's subject, so that we could not tell whom
to expect: the variable that each sets, its name, and its issuer."""


class NoIdentity(SigningError):
    """Nobody gave an identity, and there is none around."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A token that Fulcio will take, and whom it names; the token never shows in a repr.

    `again` gets another token of the same identity, where one can be had without a person.
    """

    token: IdentityToken
    again: Callable[[], str] | None = field(default=None, compare=False)

    def renewed(self, now: float) -> "Identity":
        """Return this identity with a token that has not run out; `now` is in Unix seconds.

        Raises `SigningError` where there is none to be had, or where it is somebody else's.
        """
        if now < float(str(self.claims["exp"])):
            return self
        if self.again is None:
            raise SigningError("the signing identity has expired", hint=GIVEN_HINT)
        other = replace(self, token=IdentityToken(self.again().strip()))
        if other.claimed != self.claimed:
            raise SigningError(f"another identity came in place of the expired one: {other!r}")
        return other

    @property
    def subject(self) -> str:
        """Whom the token names."""
        return str(self.token.identity)

    @property
    def issuer(self) -> str:
        """Who vouches for it."""
        return str(self.token.federated_issuer)

    @property
    def workflows(self) -> tuple[str, ...]:
        """The GitHub workflows that a certificate made from this token will name; else none."""
        if self.issuer != GITHUB_ISSUER:
            return ()
        claims = self.claims
        named = (claims.get("workflow_ref"), claims.get("job_workflow_ref"))
        return tuple(f"{GITHUB}{workflow}" for workflow in named if workflow)

    @property
    def claims(self) -> dict[str, object]:
        """What the token claims, unverified: it says what to expect of a bundle, no more."""
        claims: dict[str, object] = jwt.decode(str(self.token), options={"verify_signature": False})
        return claims

    @property
    def hidden_repository(self) -> str | None:
        """Name the repository whose workflow this is where not everybody may see it."""
        if self.issuer != GITHUB_ISSUER or self.claims.get("repository_visibility") == "public":
            return None
        return str(self.claims.get("repository"))

    @property
    def claimed(self) -> Claims:
        """What a certificate made from this token will say, as Fulcio derives it."""
        if self.issuer != GITHUB_ISSUER:
            return Claims(self.subject, self.issuer)
        claims = self.claims
        workflow, repository = str(claims.get("job_workflow_ref")), str(claims.get("repository"))
        if "/" not in repository or "/" not in workflow:
            raise SigningError("the signing identity names no repository and no workflow")
        return Claims(
            f"{GITHUB}{workflow}",
            self.issuer,
            repo=f"{GITHUB}{repository}",
            owner_id=str_or_none(claims.get("repository_owner_id")),
            repo_id=str_or_none(claims.get("repository_id")),
            ref=str_or_none(claims.get("ref")),
        )

    @property
    def signer(self) -> ExpectedSigner:
        """Whom a certificate made from this token will name, as Fulcio derives it.

        For GitHub Actions that is the workflow in `job_workflow_ref`, not the token's `sub`.
        """
        if self.issuer != GITHUB_ISSUER:
            return ExpectedSigner.exact(self.subject, self.issuer)
        claimed = self.claimed
        return ExpectedSigner(
            claimed.identity,
            claimed.issuer,
            repo=RepoSlug.parse(str(self.claims.get("repository"))),
            owner_id=claimed.owner_id,
            repo_id=claimed.repo_id,
            ref=claimed.ref,
        )

    def __repr__(self) -> str:
        return f"Identity({self.subject} by {self.issuer})"


def str_or_none(claim: object) -> str | None:
    """Return a claim as text, or None where the token does not make it."""
    return str(claim) if claim else None


def open_identity(
    instance: SigstoreInstance,
    given: str | None,
    *,
    interactive: bool,
    patience: Patience | None = None,
) -> Identity:
    """Find an identity: the token given, else the ambient one, else a person at a browser.

    Checks what a client can check (audience and times); Fulcio checks the rest. An ambient issuer
    that is away is waited for within `patience`. Raises `SigningError` where there is no identity
    or it is refused, `TryAgain` where the issuer stays away.
    """
    waiting = patience or make_patience(seconds=0.0)
    try:
        if given:
            return check_supported(Identity(IdentityToken(given.strip())))
        raw = waiting.outlast(lambda: find_ambient(waiting))
        if raw is not None:
            ambient = Identity(IdentityToken(raw.strip()), lambda: find_ambient(waiting) or "")
            return check_supported(ambient)
        if not interactive:
            raise NoIdentity("there is no signing identity", hint=NO_IDENTITY_HINT)
        return Identity(ask_browser(instance))
    except NetworkError as error:
        raise TryAgain("the OIDC issuer cannot be reached") from error
    except (IdentityError, IssuerError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        hint = GIVEN_HINT if given else NO_IDENTITY_HINT
        raise SigningError(
            f"the signing identity was refused: {lines[0][:200]}", hint=hint
        ) from error


def find_ambient(patience: Patience) -> str | None:
    """Ask GitHub Actions, or Google's cloud, for the token of whatever runs us; None elsewhere.

    Raises `Away` where GitHub's issuer does not answer, to be asked again.
    """
    here = [name for variable, (name, _) in OTHER_CI.items() if os.environ.get(variable)]
    if here and not os.environ.get("GITHUB_ACTIONS"):
        raise NoIdentity(f"there is no signing identity that works in {here[0]}", hint=OTHER_HINT)
    url, bearer = (os.environ.get(name) for name in REQUEST_VARIABLES)
    if os.environ.get("GITHUB_ACTIONS") and url and bearer:
        return ask_actions(url, bearer, patience)
    return detect_credential()


def ask_actions(url: str, bearer: str, patience: Patience) -> str:
    """Ask GitHub's issuer once for the token of this job, as the job's variables allow.

    https://docs.github.com/en/actions/reference/security/oidc
    """
    what = "the signing identity"
    with requests.Session() as session, refusals(what, patience.clock()):
        limit(session, url, patience)
        response = session.get(
            url,
            params={"audience": AUDIENCE},
            headers={"Authorization": f"Bearer {bearer}"},
            allow_redirects=False,
        )
        response.raise_for_status()
        return str(response.json()["value"])


def check_supported(identity: Identity) -> Identity:
    """Refuse a token for which Fulcio's certificate would name somebody we cannot foretell."""
    for name, issuer in OTHER_CI.values():
        if urlsplit(identity.issuer).netloc == urlsplit(issuer).netloc:
            raise SigningError(f"tokens of {name} are not supported", hint=OTHER_HINT)
    return identity


def check_builder(identity: Identity, builder: str) -> None:
    """Refuse to sign as a workflow for a build that ran elsewhere, since no verdict would hold.

    Raises `SigningError`, before anything is in a log.
    """
    if identity.workflows and builder not in identity.workflows:
        raise SigningError(
            f"the identity is of {identity.workflows[0][:200]}, and the builder {builder[:200]}",
            hint="sign in that workflow; elsewhere with an identity of your own, in a browser",
        )


def ask_browser(instance: SigstoreInstance) -> IdentityToken:
    """Send a person to the instance's OIDC issuer and wait for the answer."""
    try:
        config = ClientTrustConfig.from_json(instance.trust_config.decode())
        url = config.signing_config.get_oidc_url()
    except (Error, ValueError) as error:
        raise SigningError(f"{instance.source} names no OIDC issuer: {error}") from error
    return Issuer(url).identity_token()

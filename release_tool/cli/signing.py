"""Who signs, and whether those who use the recipe will believe it: asked before Fulcio is.

A signature that nobody believes still stands in a public log, and under an immutable release's tag
for ever.
"""

import sys

from release_tool.cli.belief import known_publisher
from release_tool.cli.given import SigningOptions
from release_tool.cli.settings import Settings
from release_tool.core.errors import NotVerified, SigningError
from release_tool.core.names import RepoSlug
from release_tool.core.patience import Patience
from release_tool.github.client import GitHub
from release_tool.sigstore.check.policy import check_policy
from release_tool.sigstore.sign.token import Identity, open_identity
from release_tool.sigstore.trust.instance import SigstoreInstance
from release_tool.sigstore.trust.signer import ExpectedSigner

HINT = (
    "sign in that workflow, on one of those refs; if a rehearsal is meant, or a publisher whom "
    "consumers are told to name, give --other-publisher"
)
DISCLOSURE_HINT = (
    "if that is meant, or the log is your own, give --public-log, or set `public_log = true` in "
    "release-tool.toml"
)


def open_signer(
    instance: SigstoreInstance, signing: SigningOptions, settings: Settings, patience: Patience
) -> Identity:
    """Find the identity that signs; raises `SigningError` where it is not the believed one."""
    identity = open_identity(
        instance, signing.identity_token, interactive=sys.stdin.isatty(), patience=patience
    )
    if not signing.other_publisher:
        check_believed(identity, settings)
    check_workflow_disclosure(identity, signing, settings)
    return identity


def check_workflow_disclosure(
    identity: Identity, signing: SigningOptions, settings: Settings
) -> None:
    """Refuse to have a private repository certified, as the token itself says that it is one."""
    hidden = identity.hidden_repository
    if hidden is not None and not signing.discloses(settings.configuration):
        raise refuse_disclosure(hidden)


def check_disclosure(
    github: GitHub, repo: RepoSlug, signing: SigningOptions, settings: Settings
) -> str:
    """Say whether a signature would tell everybody of a repository that GitHub keeps private.

    Raises `SigningError` where it would and nobody said that this is meant.
    """
    if not github.fetch_repository(repo).private:
        return f"{repo} is public already"
    if not signing.discloses(settings.configuration):
        raise refuse_disclosure(str(repo))
    return f"{repo} is private, and the log will show its name to everybody, as was asked for"


def refuse_disclosure(repo: str) -> SigningError:
    """Word the refusal to write a private repository's name into a public log."""
    return SigningError(
        f"nothing was signed: {repo[:200]} is private, and Sigstore's public log would show its "
        "name to everybody for ever",
        hint=DISCLOSURE_HINT,
    )


def check_believed(identity: Identity, settings: Settings) -> None:
    """Refuse an identity that is not the publisher's, the configured one's or the recipe's.

    What its certificate will say is held against the publisher just as a verdict does it.
    """
    publisher, source = known_publisher(settings)
    try:
        check_policy(identity.claimed, ExpectedSigner.of_publisher(publisher))
    except NotVerified as error:
        raise SigningError(
            f"nothing was signed: {source} believes another signer; {error.message}", hint=HINT
        ) from error

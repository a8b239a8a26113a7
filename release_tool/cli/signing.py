"""Who signs, and whether those who use the recipe will believe it: asked before Fulcio is.

A signature that nobody believes still stands in a public log, and under an immutable release's tag
for ever.
"""

import sys

from release_tool.cli.belief import known_publisher
from release_tool.cli.given import SigningOptions
from release_tool.cli.settings import Settings
from release_tool.core.errors import NotVerified, SigningError
from release_tool.sigstore.check.policy import check_policy
from release_tool.sigstore.sign.token import Identity, open_identity
from release_tool.sigstore.trust.instance import SigstoreInstance
from release_tool.sigstore.trust.signer import ExpectedSigner

HINT = (
    "sign in that workflow, on one of those refs; if a rehearsal is meant, or a publisher whom "
    "consumers are told to name, give --other-publisher"
)


def open_signer(
    instance: SigstoreInstance, signing: SigningOptions, settings: Settings
) -> Identity:
    """Find the identity that signs; raises `SigningError` where it is not the believed one."""
    identity = open_identity(instance, signing.identity_token, interactive=sys.stdin.isatty())
    if not signing.other_publisher:
        check_believed(identity, settings)
    return identity


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

"""Stores a provenance bundle with GitHub's attestations, where the token allows it.

What the bundle says is not looked at here; only its form, because GitHub takes no other.
"""

from release_tool.core.documents import parse_json_object
from release_tool.core.errors import InputError
from release_tool.core.names import RepoSlug
from release_tool.publish.failures import Forbidden, NotFound
from release_tool.publish.github import GitHub


def send_attestation(github: GitHub, repo: RepoSlug, bundle: bytes) -> bool:
    """Store a DSSE bundle (JSON); false where the token may not, which is no failure.

    Raises `InputError` for a bundle that signs a file instead of a statement, and `TryAgain` or
    `PublishError` where GitHub cannot be reached or refuses the bundle itself.
    """
    document = parse_json_object(bundle, "the bundle")
    if not isinstance(document.get("dsseEnvelope"), dict):
        raise InputError("GitHub takes attestations as DSSE bundles only")
    try:
        github.send_attestation(repo, document)
    except (Forbidden, NotFound):
        return False
    return True

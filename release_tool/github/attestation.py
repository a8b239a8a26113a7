"""Stores a provenance bundle with GitHub's attestations once, where the token allows it.

What the bundle says is not looked at here; only its form, because GitHub takes no other, and
whether GitHub keeps it already.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from release_tool.core.digest import Sha256
from release_tool.core.documents import parse_json_object
from release_tool.core.errors import InputError
from release_tool.core.names import RepoSlug
from release_tool.github.client import GitHub
from release_tool.github.failures import Forbidden, NotFound
from release_tool.net.failures import AnswerLost

ATTEMPTS = 3
LIST_LAG_POLLS = 3
POLL_SECONDS = 2.0


class Kept(StrEnum):
    """How it stands with the attestation, in words for people."""

    STORED = "attestation stored"
    ALREADY = "the attestation is stored already"
    FORBIDDEN = "the token may not store attestations"


def keep_bundle(github: GitHub, repo: RepoSlug, subject: Sha256, bundle: bytes) -> Kept:
    """Store a DSSE bundle (JSON) about `subject`, unless GitHub keeps it already.

    GitHub would keep the same bundle twice, so after a lost answer the list decides whether it is
    sent again. Where the list cannot be had it is sent once. Raises `InputError` for a bundle that
    signs a file instead of a statement, `TryAgain` where GitHub cannot be reached, or cannot say
    whether it has stored the bundle, and `PublishError` where it refuses the bundle itself.
    """
    document = parse_json_object(bundle, "the bundle")
    if not isinstance(document.get("dsseEnvelope"), dict):
        raise InputError("GitHub takes attestations as DSSE bundles only")
    found = find_bundle(github, repo, subject, document)
    if found:
        return Kept.ALREADY
    attempt = 0
    while True:
        attempt += 1
        try:
            github.send_attestation(repo, document)
        except (Forbidden, NotFound):
            return Kept.FORBIDDEN
        except AnswerLost as error:
            github.patience.progress.note(f"{error}; looking whether it is stored")
            found = await_bundle(github, repo, subject, document) if found is False else None
            if found:
                return Kept.STORED
            if found is None or attempt == ATTEMPTS:
                raise
        else:
            return Kept.STORED


def find_bundle(
    github: GitHub, repo: RepoSlug, subject: Sha256, wanted: Mapping[str, Any]
) -> bool | None:
    """Tell whether GitHub keeps a bundle; None where it does not let itself be asked."""
    kept = github.fetch_attestations(repo, subject)
    if kept is None or (kept and not any(kept)):
        return None
    return any(bundle is not None and is_same(wanted, bundle) for bundle in kept)


def await_bundle(
    github: GitHub, repo: RepoSlug, subject: Sha256, wanted: Mapping[str, Any]
) -> bool | None:
    """Look for a bundle for some seconds, since GitHub's lists lag behind."""
    found = find_bundle(github, repo, subject, wanted)
    for _ in range(LIST_LAG_POLLS):
        if found is not False:
            break
        github.patience.pause(POLL_SECONDS)
        found = find_bundle(github, repo, subject, wanted)
    return found


def is_same(wanted: Mapping[str, Any], kept: Mapping[str, Any]) -> bool:
    """Compare what was signed and its signatures, which no two acts of signing share.

    What surrounds them may have been written anew by whoever stores it.
    """
    return read_signed(wanted) == read_signed(kept)


def read_signed(bundle: Mapping[str, Any]) -> tuple[Any, Any, list[Any]]:
    """Take what was signed and the signatures out of a DSSE bundle, whatever is there."""
    envelope = bundle.get("dsseEnvelope")
    envelope = envelope if isinstance(envelope, dict) else {}
    signatures = envelope.get("signatures")
    listed = signatures if isinstance(signatures, list) else []
    texts = [item.get("sig") for item in listed if isinstance(item, dict)]
    return envelope.get("payloadType"), envelope.get("payload"), texts

"""Fixtures that every stage's tests share."""

from collections.abc import Iterator

import pytest

from release_tool.rehearsal.stack import SigstoreStack, start_sigstore


@pytest.fixture(scope="session")
def sigstore() -> Iterator[SigstoreStack]:
    """Run one rehearsal Sigstore for the whole session."""
    with start_sigstore() as stack:
        yield stack


@pytest.fixture(scope="session")
def sigstore_trust_config(sigstore: SigstoreStack) -> bytes:
    """Give the client trust config of the session's rehearsal Sigstore."""
    return sigstore.trust_config

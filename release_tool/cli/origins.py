"""Where `verify` finds bundles that are not beside the model: a file, a release, attestations."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from release_tool.cli.judge.judging import FindBundles
from release_tool.cli.reading import open_read_api
from release_tool.cli.tokens import find_token
from release_tool.core.digest import Sha256
from release_tool.core.errors import UsageError
from release_tool.core.limits import BUNDLE_LIMIT_BYTES
from release_tool.core.names import Destination, RepoSlug
from release_tool.core.progress import Progress
from release_tool.github.download import (
    fetch_attestations,
    fetch_release_attestations,
    fetch_release_bundle,
)
from release_tool.github.transfer import ReadApi
from release_tool.recipes import layout
from release_tool.sigstore.trust.instance import TrustedRoot
from release_tool.verify.attested import AttestedRelease, check_attestations
from release_tool.verify.locate import HashFile


@contextmanager
def open_origin(
    origin: str, api: str, hash_file: HashFile, progress: Progress
) -> Iterator[tuple[FindBundles, Callable[[Sha256, TrustedRoot], str | None]]]:
    """Yield what fetches a model's bundles from `OWNER/NAME@TAG`, or from `OWNER/NAME`.

    And what holds a model's digest against GitHub's own word of that release, or of any.
    """
    with open_read_api(api, find_token(os.environ), progress) as source:
        if "@" in origin:
            release = Destination.parse(origin)
            attested = AttestedRelease(release.repo, release.tag)
            yield (
                lambda model, digest: fetch_from_release(source, release, model, digest),
                lambda digest, root: check_attested(source, attested, digest, root),
            )
        else:
            repo = RepoSlug.parse(origin)
            attested = AttestedRelease(repo, None)
            yield (
                lambda model, digest: fetch_from_attestations(
                    source, repo, digest or hash_file(Path(model))[0]
                ),
                lambda digest, root: check_attested(source, attested, digest, root),
            )


def check_attested(
    source: ReadApi, release: AttestedRelease, digest: Sha256, root: TrustedRoot
) -> str | None:
    """Hold a model against what GitHub attests of immutable releases; None for nothing."""
    found = fetch_release_attestations(source, release.repo, digest)
    return check_attestations(found, release, {"the model": digest}, root)


def fetch_from_release(
    source: ReadApi, release: Destination, model: str, digest: Sha256 | None
) -> tuple[bytes, ...]:
    """Fetch the bundle that stands beside a model's name in a release."""
    if digest is not None:
        raise UsageError("a release is asked by file name: name the model's file")
    name = f"{Path(model).name}{layout.BUNDLE_SUFFIX}"
    repo, tag = release.repo, release.tag
    return (fetch_release_bundle(source, repo, tag, name, BUNDLE_LIMIT_BYTES),)


def fetch_from_attestations(source: ReadApi, repo: RepoSlug, digest: Sha256) -> tuple[bytes, ...]:
    """Fetch the bundles that GitHub keeps for a model's digest."""
    return fetch_attestations(source, repo, digest)

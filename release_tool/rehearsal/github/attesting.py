"""What GitHub attests of an immutable release: the tag's commit, and every asset by its digest.

Who signs it is given; without a signer nothing is attested, as before GitHub began with it.
"""

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from release_tool.rehearsal.github.state import GitHubState, Release

PREDICATE = "https://in-toto.io/attestation/release/v0.2"
IDENTITY = "https://dotcom.releases.github.com"
"""Whom the certificate names that GitHub signs releases by; nobody vouched, so no issuer."""


def attest_release(state: "GitHubState", release: "Release", commit: str) -> None:
    """Store GitHub's attestation of a release that has become immutable."""
    if state.attester is None:
        return
    repo = f"{state.owner}/{state.name}"
    tag = {"uri": f"pkg:github/{repo}@{release.tag}", "digest": {"sha1": commit}}
    digests = {asset.name: str(asset.digest) for asset in release.assets.values()}
    document = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            tag,
            *(
                {"name": name, "digest": {"sha256": digest.removeprefix("sha256:")}}
                for name, digest in digests.items()
            ),
        ],
        "predicateType": PREDICATE,
        "predicate": {
            "databaseId": str(release.id),
            "ownerId": "1",
            "packageId": "2",
            "purl": tag["uri"],
            "repository": repo,
            "repositoryId": "2",
            "tag": release.tag,
        },
    }
    bundle = state.attester(json.dumps(document).encode(), IDENTITY)
    state.attestations.append((set(digests.values()), json.loads(bundle)))

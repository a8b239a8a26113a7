"""The mark by which a draft is known as ours: an HTML comment in the release's text.

It is no proof of anything; it keeps the tool's hands off the drafts that people make.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from release_tool.core.artifact import Artifact
from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError
from release_tool.core.names import Tag

OPENING = "<!-- release-tool "
PATTERN = re.compile(
    r"<!-- release-tool tag=(\S{1,128}) manifest=sha256:([0-9a-f]{64})"
    r" artifacts=sha256:([0-9a-f]{64}) -->"
)


@dataclass(frozen=True, slots=True)
class Marker:
    """What a draft of ours is for: its tag, the manifest's digest, and that of the whole set.

    Two runs that signed apart share the manifest but not the set, because bundles differ.
    """

    tag: str
    manifest: Sha256
    artifacts: Sha256

    @classmethod
    def of(cls, tag: Tag, manifest: Artifact, artifacts: Iterable[Artifact]) -> Self:
        """Make the marker of a release: the set's digest is over its sorted names and digests."""
        lines = sorted(f"{item.name} {item.size} {item.digest}\n" for item in artifacts)
        return cls(tag.name, manifest.digest, Sha256.of_bytes("".join(lines).encode()))

    @classmethod
    def find(cls, body: str) -> Self | None:
        """Read the marker of a release's text; None where there is not exactly one."""
        found = PATTERN.findall(body)
        if len(found) != 1 or body.count(OPENING) != 1:
            return None
        tag, manifest, artifacts = found[0]
        return cls(tag, Sha256(manifest), Sha256(artifacts))

    def append_to(self, body: str) -> str:
        """Put the marker, invisible on the web page, at the end of a release's text."""
        if OPENING in body:
            raise InputError("the release's text holds a marker of the tool already")
        return f"{body.rstrip()}\n\n{self}\n"

    def __str__(self) -> str:
        return (
            f"<!-- release-tool tag={self.tag} manifest={self.manifest}"
            f" artifacts={self.artifacts} -->"
        )

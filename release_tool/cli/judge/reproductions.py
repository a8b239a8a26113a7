"""Whom else a verdict asks: other parties who have made the release again."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from release_tool.core.digest import Sha256
from release_tool.core.errors import CannotVerify, UsageError
from release_tool.core.limits import BUNDLE_LIMIT_BYTES, MAX_ENTRIES
from release_tool.core.names import RepoSlug
from release_tool.recipes import layout
from release_tool.sigstore.trust.instance import TrustedRoot
from release_tool.sigstore.trust.signer import GITHUB_ISSUER, ExpectedSigner
from release_tool.verify.evidence import Evidence, read_evidence
from release_tool.verify.release import VerifiedRelease
from release_tool.verify.reproduction import VerifiedReproduction, find_reproduction

MOST_SUMMARIES = 20
WORKFLOW = "reproduce.yml"
Fetch = Callable[[Sha256], tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class Reproducers:
    """The parties whose word is demanded, and where it may be."""

    parties: tuple[ExpectedSigner, ...]
    given: tuple[Path, ...]
    root: TrustedRoot
    fetch: Fetch | None = None

    def prove(
        self, evidence: Evidence, release: VerifiedRelease
    ) -> tuple[VerifiedReproduction, ...]:
        """Find the word of each party; raises `NotVerified` or `CannotVerify`."""
        summaries = self.summaries(evidence)
        return tuple(
            find_reproduction(release, summaries, party, self.root) for party in self.parties
        )

    def summaries(self, evidence: Evidence) -> list[bytes]:
        """Read the summaries that were named, else those beside the model, and fetch the others."""
        beside = [] if evidence.path is None else beside_model(evidence.path)
        paths = list(self.given) or beside
        contents = [read_evidence(path, BUNDLE_LIMIT_BYTES) for path in paths[:MOST_SUMMARIES]]
        return contents if self.fetch is None else [*contents, *self.fetch(evidence.digest)]


def beside_model(model: Path) -> list[Path]:
    """Find the summaries beside a model, in the order of their names; raises `CannotVerify`."""
    start, end = f"{model.name}.reproduced-by.", layout.BUNDLE_SUFFIX
    try:
        entries = list(islice(model.parent.iterdir(), MAX_ENTRIES))
    except OSError as error:
        raise CannotVerify(f"cannot read {model.parent}: {error.strerror}") from error
    return sorted(
        path for path in entries if path.name.startswith(start) and path.name.endswith(end)
    )


def parse_party(text: str) -> ExpectedSigner:
    """Read whom to expect: a repository, a workflow's identity, or `IDENTITY,ISSUER`."""
    identity, comma, issuer = text.rpartition(",")
    if comma:
        return ExpectedSigner.exact(identity, issuer)
    if text.startswith("https://"):
        return ExpectedSigner.exact(text, GITHUB_ISSUER)
    if "@" in text:
        raise UsageError(
            f"nobody says who vouches for {text[:200]}", hint="write it as IDENTITY,ISSUER"
        )
    return ExpectedSigner.of_workflow(RepoSlug.parse(text), WORKFLOW)

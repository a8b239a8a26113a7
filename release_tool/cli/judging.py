"""Gathers the evidence for each model that `verify` was asked about, and takes its verdict.

Printing is not done here.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from release_tool.cli.options import Settings, TrustOptions
from release_tool.cli.sources import open_source
from release_tool.cli.tokens import find_token
from release_tool.core.digest import PREFIX, Sha256
from release_tool.core.documents import JsonObject
from release_tool.core.errors import (
    CannotVerify,
    GateError,
    InputError,
    NotVerified,
    ReleaseToolError,
    UsageError,
)
from release_tool.core.names import Destination, RepoSlug
from release_tool.gates.lineage import LineageReport, check_lineage
from release_tool.recipes.recipe import Recipe
from release_tool.trust.instance import TrustedRoot
from release_tool.trust.signer import ExpectedSigner
from release_tool.upstream.checkpoint import Checkpoint, open_checkpoint
from release_tool.verify.bundle import BUNDLE_LIMIT_BYTES
from release_tool.verify.download import fetch_attestations, fetch_release_bundle
from release_tool.verify.evidence import (
    Evidence,
    evidence_for_digest,
    open_evidence,
    read_evidence,
)
from release_tool.verify.release import VerifiedRelease
from release_tool.verify.verdict import verify_release

FindBundles = Callable[[str, Sha256 | None], tuple[bytes, ...] | None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out for one model: a verdict, with the lineage if asked for, or a refusal."""

    model: str
    verified: VerifiedRelease | None = None
    refusal: ReleaseToolError | None = None
    lineage: LineageReport | None = None

    def to_json(self) -> JsonObject:
        """Describe the outcome for programs."""
        if self.verified is None:
            code = self.refusal.exit_code if self.refusal else 1
            return {
                "model": self.model,
                "verified": False,
                "exit_code": code,
                "reason": str(self.refusal),
            }
        document = self.verified.to_json()
        if self.lineage is not None:
            proof = {"tensors": self.lineage.tensors, "in_place": self.lineage.in_place}
            document["lineage"] = {**proof, "skeleton_sha256": str(self.lineage.skeleton)}
        return document


@dataclass(frozen=True, slots=True)
class Lineage:
    """The weights that every model must be made of."""

    checkpoint: Checkpoint
    recipe: Recipe

    @classmethod
    def of(cls, path: Path | None, settings: Settings, *, pinned: bool) -> Self | None:
        """Open the checkpoint that was named, if one was."""
        if path is None:
            return None
        return cls(open_checkpoint(path, settings.recipe, pinned=pinned), settings.recipe)

    def prove(self, evidence: Evidence) -> LineageReport:
        """Prove lineage; a model that fails it is not verified."""
        if evidence.path is None:
            raise UsageError("lineage needs the model's file, not only its digest")
        try:
            return check_lineage(evidence.path, self.checkpoint, self.recipe)
        except GateError as error:
            raise NotVerified(f"lineage: {error.message}", hint=error.hint) from error


@dataclass(frozen=True, slots=True)
class Judge:
    """What every model of one call is held against."""

    recipe: Recipe
    signer: ExpectedSigner
    root: TrustedRoot
    find_bundles: FindBundles
    lineage: Lineage | None

    def outcome(self, model: str) -> Outcome:
        """Take the verdict on one model."""
        try:
            return self.verdict(model)
        except (NotVerified, CannotVerify) as refusal:
            return Outcome(model, refusal=refusal)

    def verdict(self, model: str) -> Outcome:
        """Gather the evidence and climb the ladder with each bundle until one holds."""
        digest = parse_digest(model)
        bundles = self.find_bundles(model, digest)
        candidates = [None] if bundles is None else list(bundles)
        for last, bundle in enumerate(candidates, 1):
            evidence = self.evidence(model, digest, bundle)
            try:
                verified = verify_release(evidence, self.signer, self.root)
            except (NotVerified, CannotVerify):
                if last == len(candidates):
                    raise
                continue
            proof = self.lineage.prove(evidence) if self.lineage else None
            return Outcome(model, verified, lineage=proof)
        raise CannotVerify(f"there is no bundle for {model}")

    def evidence(self, model: str, digest: Sha256 | None, bundle: bytes | None) -> Evidence:
        """Collect what speaks for a model: a file or directory, or only a digest."""
        if digest is None:
            return open_evidence(Path(model), self.recipe, bundle=bundle)
        if bundle is None:
            raise UsageError("a digest needs --bundle, or --from to fetch one")
        return evidence_for_digest(digest, bundle)


def parse_digest(model: str) -> Sha256 | None:
    """Read `sha256:<hex>`; None for a path."""
    if not model.startswith(PREFIX):
        return None
    try:
        return Sha256.parse(model)
    except InputError as error:
        raise UsageError(str(error)) from error


@contextmanager
def open_bundles(
    origin: str | None, given: Path | None, api: str, trust: TrustOptions
) -> Iterator[FindBundles]:
    """Yield what finds a model's bundles: the one given, those at `origin`, or none but its own."""
    if given is not None:
        content = read_evidence(given, BUNDLE_LIMIT_BYTES)
        yield lambda _model, _digest: (content,)
    elif origin is None:
        yield lambda _model, _digest: None
    elif trust.offline:
        raise UsageError("--offline and --from exclude each other")
    else:
        with open_source(api, find_token(os.environ)) as source:

            def fetch(model: str, digest: Sha256 | None) -> tuple[bytes, ...]:
                if "@" in origin:
                    to, name = Destination.parse(origin), f"{Path(model).name}.sigstore.json"
                    if digest is not None:
                        raise UsageError("a release is asked by file name: name the model's file")
                    return (
                        fetch_release_bundle(
                            source.client, api, to.repo, to.tag, name, token=source.token
                        ),
                    )
                wanted = digest or Sha256.of_file(Path(model))
                repo = RepoSlug.parse(origin)
                return fetch_attestations(source.client, api, repo, wanted, token=source.token)

            yield fetch

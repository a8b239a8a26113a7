"""Gathers the evidence for each model that `verify` was asked about, and takes its verdict.

Printing is not done here.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from release_tool.cli.given import parse_digest
from release_tool.core.digest import Sha256
from release_tool.core.documents import JsonObject
from release_tool.core.errors import (
    CannotVerify,
    Interrupted,
    NotVerified,
    ReleaseToolError,
    UsageError,
)
from release_tool.recipes import layout
from release_tool.recipes.recipe import Recipe
from release_tool.sigstore.trust.instance import TrustedRoot
from release_tool.sigstore.trust.signer import ExpectedSigner
from release_tool.verify.demands import Demands
from release_tool.verify.evidence import Evidence, evidence_for_digest, open_evidence
from release_tool.verify.ladder import Contradicted
from release_tool.verify.locate import HashFile, hash_model
from release_tool.verify.release import VerifiedRelease
from release_tool.verify.verdict import verify_release

if TYPE_CHECKING:
    from release_tool.gates.lineage import LineageReport
    from release_tool.verify.reproduction import VerifiedReproduction

FindBundles = Callable[[str, Sha256 | None], tuple[bytes, ...]]
Attest = Callable[[Sha256], str | None]
Prove = Callable[[Evidence], "LineageReport"]
Rebuild = Callable[[Evidence], dict[str, str]]
AskOthers = Callable[[Evidence, VerifiedRelease], "tuple[VerifiedReproduction, ...]"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came out for one model: a verdict, with the lineage if asked for, or a refusal."""

    model: str
    verified: VerifiedRelease | None = None
    refusal: ReleaseToolError | None = None
    lineage: "LineageReport | None" = None
    reproduced_by: dict[str, str] | None = None
    attested: str | None = None
    reproductions: "tuple[VerifiedReproduction, ...]" = ()

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
        document = {**self.verified.to_json(), "model": self.model}
        if self.lineage is not None:
            proof = {"tensors": self.lineage.tensors, "in_place": self.lineage.in_place}
            document["lineage"] = {**proof, "skeleton_sha256": str(self.lineage.skeleton)}
        if self.reproduced_by is not None:
            document["reproduced_by"] = self.reproduced_by
        if self.attested is not None:
            document["attested"] = self.attested
        if self.reproductions:
            document["reproductions"] = [
                {
                    "identity": one.identity,
                    "issuer": one.issuer,
                    "signed_at": one.signed_at.isoformat(),
                }
                for one in self.reproductions
            ]
        return document


@dataclass(frozen=True, slots=True)
class Judge:
    """What every model of one call is held against; bundles lie beside it, or are found.

    Without a `recipe` each release is judged by its own.
    """

    recipe: Recipe | None
    signer: ExpectedSigner
    root: TrustedRoot
    demands: Demands
    find_bundles: FindBundles | None = None
    hash_file: HashFile = hash_model
    prove: Prove | None = None
    rebuild: Rebuild | None = None
    attest: Attest | None = None
    ask_others: AskOthers | None = None

    def outcomes(self, models: Sequence[str]) -> list[Judgement]:
        """Take the verdicts on all models.

        Of several models each gets its outcome, whatever kept another from getting a verdict.
        """
        if len(models) == 1:
            return [self.outcome(models[0])]
        return [self.outcome_of_many(model) for model in models]

    def outcome(self, model: str) -> Judgement:
        """Take the verdict on one model."""
        try:
            return self.verdict(model)
        except (NotVerified, CannotVerify) as refusal:
            return Judgement(model, refusal=refusal)

    def outcome_of_many(self, model: str) -> Judgement:
        """Take the verdict on one of several models; only an interruption stops them all."""
        try:
            return self.verdict(model)
        except Interrupted:
            raise
        except ReleaseToolError as refusal:
            # Only what it says is kept: tracebacks would hold on to the evidence of every model.
            refusal.__cause__ = refusal.__context__ = None
            return Judgement(model, refusal=refusal.with_traceback(None))

    def verdict(self, model: str) -> Judgement:
        """Climb the ladder with the evidence of each bundle until one speaks for all that is there.

        One that speaks for the model alone is enough where no other one of the expected signer's
        says that a file beside it is not what was signed.
        """
        refused: ReleaseToolError | None = None
        held: tuple[Evidence, VerifiedRelease] | None = None
        for evidence in self.gather(model):
            try:
                verified = verify_release(evidence, self.signer, self.root, self.demands)
            except (NotVerified, CannotVerify) as refusal:
                refused = max(refused or refusal, refusal, key=weight)
                continue
            if covers_all(evidence, verified):
                return self.prove_more(model, evidence, verified)
            held = held or (evidence, verified)
        if held is not None and not isinstance(refused, Contradicted):
            return self.prove_more(model, *held)
        raise refused or CannotVerify(f"there is no bundle for {model}")

    def prove_more(self, model: str, evidence: Evidence, verified: VerifiedRelease) -> Judgement:
        """Prove what else was asked for of a model that is verified."""
        proof = self.prove(evidence) if self.prove else None
        made = self.rebuild(evidence) if self.rebuild else None
        attested = self.attest(evidence.digest) if self.attest else None
        others = self.ask_others(evidence, verified) if self.ask_others else ()
        return Judgement(
            model,
            verified,
            lineage=proof,
            reproduced_by=made,
            attested=attested,
            reproductions=others,
        )

    def gather(self, model: str) -> Iterator[Evidence]:
        """Collect what speaks for a model, a file or directory or only a digest, bundle by bundle.

        Nothing is read before the first is asked for.
        """
        digest = parse_digest(model)
        bundles = None if self.find_bundles is None else self.find_bundles(model, digest)
        for bundle in (None,) if bundles is None else bundles:
            if digest is None:
                yield open_evidence(
                    Path(model), self.recipe, bundle=bundle, hash_file=self.hash_file
                )
            elif bundle is None:
                raise UsageError("a digest needs --bundle, or --from to fetch one")
            else:
                yield evidence_for_digest(digest, bundle, self.recipe)


def weight(refusal: ReleaseToolError) -> int:
    """Weigh a refusal: a bundle that says no counts for more than one that cannot be read."""
    return isinstance(refusal, NotVerified) + isinstance(refusal, Contradicted)


def covers_all(evidence: Evidence, verified: VerifiedRelease) -> bool:
    """Tell whether the verdict covers every file that lies beside the model."""
    covered = {artifact.role for artifact in verified.artifacts}
    beside = set() if evidence.sidecars is None else evidence.sidecars.files.keys()
    return beside - {layout.PROVENANCE.role} <= covered

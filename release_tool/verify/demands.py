"""What a verdict demands beyond intact files that the expected signer signed.

A signature says who, never what: the workflow that signs a model signs other files as well. Where
the recipe decides whom to believe, it therefore decides also what.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from release_tool.core.errors import CannotVerify, GateError, InputError, NotVerified
from release_tool.recipes.metadata import pinned_metadata
from release_tool.recipes.recipe import Recipe
from release_tool.sigstore.check.refusal import mismatch, show
from release_tool.verify.evidence import Evidence
from release_tool.verify.ladder import Ladder
from release_tool.verify.release import EvaluationSummary

if TYPE_CHECKING:
    from release_tool.provenance.manifest import Manifest
    from release_tool.provenance.statement import Statement
    from release_tool.verify.stated import SignedStatement

NAME_THE_SIGNER = "to verify another file of theirs, say with --repo or --cert-identity who signed"


@dataclass(frozen=True, slots=True)
class Demands:
    """`recipe` decides what was signed, None where anything may be.

    `provenance` must be there, and an `evaluation` that the model passed.
    """

    recipe: Recipe | None = None
    provenance: bool = False
    evaluation: bool = False

    def check_evaluated(self, found: EvaluationSummary | None) -> None:
        """(10) Refuse a model that is not said to have passed, where an evaluation is demanded."""
        if self.evaluation and (found is None or found.result != "passed"):
            raise mismatch(
                "the evaluation",
                expected="passed, by a signed test result",
                actual="failed" if found else "none beside the model",
                hint="the release may do without; `release-tool evaluate` makes one",
            )

    def check_model(self, evidence: Evidence, ladder: Ladder) -> None:
        """(12) Refuse bytes that do not say themselves that they are the recipe's model.

        Their metadata is covered by whatever signs them. Of a model that is known by its digest
        alone there is nothing to look at: `check_claims` decides.
        """
        if self.recipe is None or not at_hand(evidence):
            return
        try:
            actual = embedded_metadata(evidence)
        except GateError as error:
            text = f"the file is no model of the recipe {self.recipe.name}: {error.message}"
            raise NotVerified(text, hint=NAME_THE_SIGNER) from error
        except InputError as error:
            raise CannotVerify(error.message, hint=error.hint) from error
        for key, expected in pinned_metadata(self.recipe).items():
            if actual.get(key) != expected:
                raise mismatch(
                    f"the model's metadata {key}",
                    expected=f"{expected}, as the recipe {self.recipe.name} pins it",
                    actual=show(actual.get(key)),
                    hint=NAME_THE_SIGNER,
                )
        ladder.report(12, f"the model names itself {self.recipe.model_id}, of the pinned origin")

    def check_claims(
        self,
        evidence: Evidence,
        statements: "tuple[SignedStatement, ...]",
        manifest: "Manifest | None",
    ) -> tuple[str, ...]:
        """(10), (11) Refuse signed claims that are not what the recipe pins, or that are missing.

        1. With `provenance`, some provenance must be there.
        2. What a statement of ours and a manifest that is signed claim must be pinned.
        3. A digest says nothing of what it is the digest of: a statement of ours has to.

        Without a recipe of its own, returns the claims that the evidence's recipe does not pin.
        """
        if self.provenance and not statements:
            raise CannotVerify(
                "nothing that is signed says how the model was made: there is no provenance",
                hint="fetch the whole release, or ask for its provenance with --from OWNER/NAME",
            )
        ours = [signed.statement for signed in statements if signed.ours]
        recipe = self.recipe or evidence.recipe
        unpinned = find_unpinned(recipe, ours, manifest) if recipe else {}
        if self.recipe is None:
            return tuple(sorted(unpinned))
        for said in unpinned.values():
            raise NotVerified(
                f"the release is not what the recipe {self.recipe.name} pins: {show(said)}",
                hint=NAME_THE_SIGNER,
            )
        if not at_hand(evidence) and not ours:
            raise CannotVerify(
                f"a digest alone does not tell whether it is that of {self.recipe.model_id}",
                hint=f"name the model's file; {NAME_THE_SIGNER}",
            )
        return ()


def find_unpinned(
    recipe: Recipe, ours: "list[Statement]", manifest: "Manifest | None"
) -> dict[str, str]:
    """Map each claim that is not pinned, by the recipe or by its own word, to what is said."""
    if not ours and manifest is None:
        return {}
    from release_tool.provenance.pins import (  # noqa: PLC0415  (only for statements)
        departures,
        statement_departures,
    )

    found: dict[str, str] = {}
    if manifest is not None:
        said = {claim: f"its manifest calls {claim} unpinned" for claim in manifest.unpinned}
        found = said | {each.claim: str(each) for each in departures(manifest, recipe)}
    for statement in ours:
        for claim in statement.unpinned:
            found.setdefault(claim, f"its provenance calls {claim} unpinned")
        for each in statement_departures(statement, recipe):
            found.setdefault(each.claim, str(each))
    return found


def at_hand(evidence: Evidence) -> bool:
    """Tell whether the model's bytes are there, and not its digest alone."""
    return evidence.content is not None or evidence.path is not None


def embedded_metadata(evidence: Evidence) -> dict[str, str]:
    """Read the properties out of the model's bytes, mapped and not loaded where it is a file.

    Raises `GateError` for a malformed model, and `InputError` for one that cannot be read.
    """
    from release_tool.gates.metadata import (  # noqa: PLC0415  (only where it is asked for)
        open_metadata,
        read_metadata,
    )

    if evidence.content is not None:
        return read_metadata(evidence.content)
    if evidence.path is not None:
        return open_metadata(evidence.path)
    raise CannotVerify("the model's metadata cannot be read: only a digest was given")

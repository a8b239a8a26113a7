"""Puts an evaluation among the files of a release, and opens it again; it evaluates nothing."""

from dataclasses import dataclass
from pathlib import Path

from release_tool.core.artifact import Artifact, Content
from release_tool.core.errors import InputError
from release_tool.core.files import read_limited, write_whole
from release_tool.provenance.exported import ExportedRelease, hold_exported
from release_tool.provenance.statement import Statement
from release_tool.provenance.test_result import EvaluationClaim, make_test_result
from release_tool.recipes import layout
from release_tool.recipes.recipe import Recipe

EVALUATE_AGAIN = "run `release-tool evaluate` on this very model, or remove the evaluation's files"
SOURCES = {layout.EVALUATION: "evaluation.json", layout.REPORT: "evaluation.html"}


@dataclass(frozen=True, slots=True)
class ReleaseEvaluation:
    """The evaluation of a release's model, and what it claims."""

    document: Artifact
    claim: EvaluationClaim

    def state(self, model: Artifact) -> Statement:
        """Make the statement that is signed over the model and its evaluation."""
        return make_test_result(model, self.document, self.claim)


def adopt_evaluation(
    evaluation: Path, exported: ExportedRelease, recipe: Recipe
) -> ExportedRelease:
    """Put an evaluation's report into a release; raises `InputError` for another model's."""
    contents = {
        row.name_in(recipe.names): Content.of(read_limited(evaluation / name, row.limit_bytes))
        for row, name in SOURCES.items()
    }
    merged = {**exported.contents, **contents}
    adopted = hold_exported(exported.directory, recipe, exported.model, merged)
    open_evaluation(adopted, recipe)
    for name, content in contents.items():
        write_whole(exported.directory / name, content.data)
    return adopted


def open_evaluation(exported: ExportedRelease, recipe: Recipe) -> ReleaseEvaluation | None:
    """Open the evaluation among the files of a release, or None where there is none.

    Raises `InputError` where it is another model's, or one of its two files is missing.
    """
    names = [row.name_in(recipe.names) for row in SOURCES]
    there = [name for name in names if name in exported.contents]
    if not there:
        return None
    if len(there) < len(names):
        raise InputError(f"{there[0]} is there alone", hint=EVALUATE_AGAIN)
    content = exported.contents[names[0]]
    claim = EvaluationClaim.parse(content.data)
    if claim.model != exported.model.digest:
        raise InputError(
            f"the evaluation is of the model {claim.model}, the release's is "
            f"{exported.model.digest}",
            hint=EVALUATE_AGAIN,
        )
    return ReleaseEvaluation(content.named(names[0]), claim)

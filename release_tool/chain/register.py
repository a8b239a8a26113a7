"""Enters a verified release into a consumer's registry, beside what it was evaluated against."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from release_tool.core.documents import JsonObject, parse_json_object
from release_tool.core.errors import GateError
from release_tool.core.files import read_limited, write_whole
from release_tool.core.names import Destination
from release_tool.provenance.registry import REGISTRY_LIMIT_BYTES, Registry, write_sidecar
from release_tool.provenance.test_result import EvaluationClaim
from release_tool.recipes import layout
from release_tool.recipes.recipe import Recipe
from release_tool.verify.evidence import Evidence
from release_tool.verify.release import VerifiedRelease

RULE = (
    "an entry is an alternative, after measured benefit; the default is never changed in the step "
    "that adds one, and this command cannot"
)
EVALUATE_FIRST = (
    "evaluate it --against the model of an entry and release it with --evaluation; "
    "--without-evaluation registers it all the same"
)


@dataclass(frozen=True, slots=True)
class Registration:
    """What is entered: as which kind, of which release, and whether an evaluation is needed."""

    registry: Path
    recipe: Recipe
    release: Destination
    kind: str = "nr"
    smoke: bool = False
    without_evaluation: bool = False


@dataclass(frozen=True, slots=True)
class Registered:
    """What is to be written where, and what to say of it."""

    entry: JsonObject
    files: dict[Path, bytes]
    remarks: tuple[str, ...]

    def write(self) -> None:
        """Write the sidecar, then the registry, each only where its bytes change."""
        for path, content in self.files.items():
            if not path.exists() or read_limited(path, REGISTRY_LIMIT_BYTES) != content:
                write_whole(path, content)


def plan_registration(
    evidence: Evidence, verified: VerifiedRelease, wanted: Registration
) -> Registered:
    """Decide what a verified release becomes in a registry, and write nothing.

    Raises `GateError` (4) without a passed evaluation against one of the registry's entries.
    """
    recipe = wanted.recipe
    registry = Registry.parse(read_limited(wanted.registry, REGISTRY_LIMIT_BYTES))
    beside, remarks = judge_evaluation(evidence, verified, registry, wanted)
    entry = make_entry(verified, beside, wanted)
    upstream = recipe.upstream
    more = {
        "name": recipe.model_id,
        "input_name": recipe.inputs[0].name,
        "output_name": recipe.outputs[0].name,
        "upstream_repo": upstream.repo,
        "upstream_commit": str(upstream.commit),
        "upstream_weights_sha256": recipe.checkpoint.sha256.hex,
    }
    place = wanted.registry.parent / entry["onnx"]
    files = {place.with_suffix(".json"): write_sidecar(entry, more)} if not wanted.smoke else {}
    files[wanted.registry] = registry.with_entry(entry)
    return Registered(entry, files, (*remarks, RULE))


def judge_evaluation(
    evidence: Evidence, verified: VerifiedRelease, registry: Registry, wanted: Registration
) -> tuple[str | None, tuple[str, ...]]:
    """Return the id of the entry that the model was evaluated against, and what to say of that."""
    if wanted.without_evaluation:
        return None, ("registered without an evaluation",)
    files = evidence.sidecars.files if evidence.sidecars else {}
    content = files.get(layout.EVALUATION.role)
    if verified.evaluation is None or content is None:
        raise GateError("the release has no signed evaluation", hint=EVALUATE_FIRST)
    if verified.evaluation.result != "passed":
        raise GateError("the release did not pass its evaluation", hint=EVALUATE_FIRST)
    claim = EvaluationClaim.parse(content.data)
    beside = claim.incumbent and registry.find(claim.incumbent.hex, but=wanted.recipe.model_id)
    if not beside:
        against = claim.incumbent or "no other model"
        raise GateError(
            f"the release was evaluated against {against}, which is no entry of the registry",
            hint=EVALUATE_FIRST,
        )
    document = parse_json_object(content.data, "the evaluation")
    return str(beside["id"]), contamination(document, wanted.recipe)


def contamination(document: dict[str, Any], recipe: Recipe) -> tuple[str, ...]:
    """Say where masks come from, or may come from, data that the model was trained on."""
    comparison = document.get("comparison") or {}
    masks = any(medium.get("mask_sha256") for medium in comparison.get("media", []))
    if not masks or not recipe.trained_on:
        return ()
    origin, known = comparison.get("masks_from"), ", ".join(recipe.trained_on)
    if origin is None:
        return (f"the evaluation does not say where its masks come from; trained on {known}",)
    if origin.casefold() in {name.casefold() for name in recipe.trained_on}:
        return (f"contaminated: the masks come from {origin}, and the model was trained on it",)
    return ()


def make_entry(verified: VerifiedRelease, beside: str | None, wanted: Registration) -> JsonObject:
    """Make the entry of a release, in the registry's own words and order."""
    recipe, upstream = wanted.recipe, wanted.recipe.upstream
    model, names = recipe.names.installed_model, recipe.names
    told = f"evaluated against {beside}: passed" if beside else "not evaluated"
    place = f"https://github.com/{wanted.release.repo}/releases/download/{wanted.release.tag}"
    return {
        "id": recipe.model_id,
        "kind": wanted.kind,
        "onnx": model,
        "sha256": verified.model.digest.hex,
        "opset": recipe.contract.opset,
        "license": recipe.license.spdx,
        "license_url": f"{upstream.repo}/blob/{upstream.commit}/{recipe.license.path}",
        "sigstore_bundle": layout.BUNDLE.name_in(names, model),
        "release_url": f"{place}/{names.model}",
        "description": f"{recipe.attribution.title}, {recipe.network.name} of {upstream.repo}",
        "notes": f"An alternative, {told}; released as {wanted.release}.",
        "smoke": wanted.smoke,
    }

"""Holds what is claimed of a release against what its recipe pins, for every stage that has to.

A recipe fixes what a model is made of. A manifest that claims anything else is no lie, but it
speaks of another model than the one that the recipe's name promises.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from release_tool.core.errors import InputError
from release_tool.provenance.manifest import AdapterClaim, Manifest
from release_tool.provenance.statement import Statement
from release_tool.recipes.recipe import Recipe

TAKE_UNPINNED = (
    "name the recipe that it was made by with --recipe, or take it all the same with --unpinned, "
    "which every verdict will say"
)


@dataclass(frozen=True, slots=True)
class Departure:
    """One claim that is not what the recipe pins."""

    claim: str
    pinned: str
    claimed: str

    def __str__(self) -> str:
        return f"{self.claim} is {self.claimed}, the recipe pins {self.pinned}"


def departures(manifest: Manifest, recipe: Recipe) -> tuple[Departure, ...]:
    """List the claims of a manifest that are not what the recipe pins.

    A skeleton is pinned for each torch by itself; that of another one is not held against it.
    """
    upstream, pin = manifest.upstream, recipe.upstream
    skeleton, modules = manifest.outputs.skeleton_sha256, dict(pin.modules)
    pinned_skeleton = recipe.skeleton_for(manifest.toolchain.get("torch", ""))
    return compare(
        [
            ("model_id", recipe.model_id, manifest.model_id),
            ("upstream.repo", pin.repo, upstream.repo),
            ("upstream.commit", pin.commit, upstream.commit),
            ("upstream.module_path", recipe.module_path, upstream.module_path),
            ("upstream.module_sha256", modules.get(recipe.module_path), upstream.module_sha256),
            ("upstream.modules", modules, upstream.modules),
            ("upstream.adapter", pinned_adapter(recipe), upstream.adapter),
            ("upstream.checkpoint_path", recipe.checkpoint.path, upstream.checkpoint_path),
            ("upstream.checkpoint_sha256", recipe.checkpoint.sha256, upstream.checkpoint_sha256),
            ("license.spdx", recipe.license.spdx, manifest.license.spdx),
            ("upstream.license_path", recipe.license.path, upstream.license_path),
            ("upstream.license_sha256", recipe.license.sha256, upstream.license_sha256),
            ("outputs.skeleton_sha256", pinned_skeleton or skeleton, skeleton),
        ]
    )


def pinned_adapter(recipe: Recipe) -> AdapterClaim | None:
    """Return what a manifest has to claim of the adapter."""
    pin = recipe.adapter
    return None if pin is None else AdapterClaim(path=pin.path, sha256=pin.sha256, call=pin.call)


def claimed_recipe(manifest: Manifest, recipe: Recipe) -> Recipe:
    """Return a recipe that pins what the manifest claims, where its model's metadata says it."""
    upstream = manifest.upstream
    return replace(
        recipe,
        model_id=manifest.model_id,
        upstream=replace(recipe.upstream, repo=upstream.repo, commit=upstream.commit),
        license=replace(recipe.license, spdx=manifest.license.spdx),
        checkpoint=replace(recipe.checkpoint, sha256=upstream.checkpoint_sha256),
    )


def unpinned_claims(manifest: Manifest, recipe: Recipe) -> tuple[str, ...]:
    """Name the claims that the recipe does not pin, or that the manifest says are not pinned."""
    found = (departure.claim for departure in departures(manifest, recipe))
    return tuple(sorted({*manifest.unpinned, *found}))


def require_pinned(manifest: Manifest, recipe: Recipe, *, unpinned: bool) -> None:
    """Refuse a manifest that claims what the recipe does not pin; raises `InputError`.

    With `unpinned` only what the manifest itself does not say is refused.
    """
    for departure in departures(manifest, recipe):
        if not unpinned or departure.claim not in manifest.unpinned:
            raise InputError(
                f"this is not what the recipe {recipe.name} pins: {departure}", hint=TAKE_UNPINNED
            )
    if manifest.unpinned and not unpinned:
        raise InputError(
            f"the manifest says that it is unpinned: {', '.join(manifest.unpinned)}",
            hint=TAKE_UNPINNED,
        )


def statement_departures(statement: Statement, recipe: Recipe) -> tuple[Departure, ...]:
    """List the inputs of the build by a statement of ours that are not what the recipe pins."""
    build = statement.predicate.get("buildDefinition")
    inputs = build.get("resolvedDependencies") if isinstance(build, dict) else None
    checkout, checkpoint = (*inputs, {}, {})[:2] if isinstance(inputs, list) else ({}, {})
    repo, _, commit = str(member(checkout, "uri")).rpartition("@")
    pin, weights = recipe.upstream, {"sha256": recipe.checkpoint.sha256.hex}
    return compare(
        [
            ("upstream.repo", f"git+{pin.repo}", repo),
            ("upstream.commit", str(pin.commit), commit),
            ("upstream.commit", {"gitCommit": str(pin.commit)}, member(checkout, "digest")),
            ("upstream.checkpoint_sha256", weights, member(checkpoint, "digest")),
        ]
    )


def member(value: object, key: str) -> object:
    """Return a member of a JSON object, or None where it has none or is something else."""
    return value.get(key) if isinstance(value, dict) else None


def compare(claims: Iterable[tuple[str, object, object]]) -> tuple[Departure, ...]:
    """Keep the claims whose pinned and claimed values differ."""
    return tuple(
        Departure(claim, str(pinned), str(claimed))
        for claim, pinned, claimed in claims
        if pinned != claimed
    )

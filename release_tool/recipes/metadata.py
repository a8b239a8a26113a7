"""What an exported model says about itself; the same words are demanded again by the gates."""

from release_tool.core.digest import Sha256
from release_tool.recipes.recipe import Recipe


def make_metadata(recipe: Recipe, checkpoint: Sha256) -> dict[str, str]:
    """Return a model's metadata in its order, by key (Apache-2.0 §4(b): that it was changed)."""
    upstream, name = recipe.upstream, recipe.network.name
    written = {
        "model_id": recipe.model_id,
        "upstream_repo": upstream.repo,
        "upstream_commit": str(upstream.commit),
        "upstream_checkpoint_sha256": checkpoint.hex,
        "license": recipe.license.spdx,
        "conversion": (
            f"torch.onnx.export opset {recipe.contract.opset}; {describe_outputs(recipe)}. "
            f"This is a modified form of the original work{recipe.license.modified}: {name} was "
            f"converted from PyTorch to ONNX by release-tool, {describe_kept(recipe)}, and the "
            "weights are unchanged."
        ),
    }
    prefix = recipe.formats.metadata_prefix
    return {f"{prefix}{key}": written[key] for key in sorted(written)}


def describe_outputs(recipe: Recipe) -> str:
    """Say which of upstream's outputs were selected, and how they are called."""
    return "; ".join(
        f"selected upstream {each.selected} and renamed to {each.name}" for each in recipe.outputs
    )


def describe_kept(recipe: Recipe) -> str:
    """Say how much of what the network returns is kept, and what was put around it."""
    if all(each.select is None for each in recipe.outputs):
        kept = "all that its forward pass returns is kept"
    elif len(recipe.outputs) == 1:
        kept = "one output of its forward pass alone is kept"
    else:
        kept = f"{len(recipe.outputs)} outputs of its forward pass alone are kept"
    if recipe.working_size is not None:
        kept = f"its input is resized to {recipe.working_size}, and its maps back, {kept}"
    around = recipe.adapter
    return kept if around is None else f"{around.call} of {around.path} was put around it, {kept}"


def pinned_metadata(recipe: Recipe) -> dict[str, str]:
    """Return what the metadata of a pinned export says of its origin, without how it was made."""
    written = make_metadata(recipe, recipe.checkpoint.sha256)
    del written[f"{recipe.formats.metadata_prefix}conversion"]
    return written

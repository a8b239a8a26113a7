"""What an exported model says about itself; the same words are demanded again by the gates."""

from release_tool.core.digest import Sha256
from release_tool.recipes.recipe import Recipe


def make_metadata(recipe: Recipe, checkpoint: Sha256) -> dict[str, str]:
    """Return a model's metadata in its order, by key (Apache-2.0 §4(b): that it was changed)."""
    graph, upstream = recipe.graph, recipe.upstream
    written = {
        "model_id": recipe.model_id,
        "upstream_repo": upstream.repo,
        "upstream_commit": str(upstream.commit),
        "upstream_checkpoint_sha256": checkpoint.hex,
        "license": recipe.license.spdx,
        "conversion": (
            f"torch.onnx.export opset {graph.opset}; selected upstream d{graph.selected_output} "
            f"and renamed to {graph.output_name}. This is a modified form of the original work"
            f"{recipe.license.modified}: {upstream.class_name} was converted from PyTorch to ONNX "
            "by release-tool, one output of its forward pass alone is kept, and the "
            "weights are unchanged."
        ),
    }
    prefix = recipe.formats.metadata_prefix
    return {f"{prefix}{key}": written[key] for key in sorted(written)}


def pinned_metadata(recipe: Recipe) -> dict[str, str]:
    """Return what the metadata of a pinned export says of its origin, without how it was made."""
    written = make_metadata(recipe, recipe.checkpoint.sha256)
    del written[f"{recipe.formats.metadata_prefix}conversion"]
    return written

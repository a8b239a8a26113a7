"""What an exported model says about itself; the same words are demanded again by the gates."""

from release_tool.core.digest import Sha256
from release_tool.recipes.recipe import Recipe


def make_metadata(recipe: Recipe, checkpoint: Sha256) -> dict[str, str]:
    """Return a model's metadata, in its order (Apache-2.0 §4(b): that, and how, it was changed)."""
    return {
        "model_id": recipe.model_id,
        "upstream_repo": recipe.upstream.repo,
        "upstream_commit": str(recipe.upstream.commit),
        "checkpoint_sha256": str(checkpoint),
        "license": "Apache-2.0",
        "conversion_note": (
            "This is a modified form of the original work (Apache License 2.0, section 4(b)): "
            f"{recipe.upstream.class_name} was converted from PyTorch to ONNX by release-tool, "
            f"output {recipe.graph.selected_output} of its forward pass alone is kept, and the "
            "weights are unchanged."
        ),
    }


def pinned_metadata(recipe: Recipe) -> dict[str, str]:
    """Return what the metadata of a pinned export says of its origin, without how it was made."""
    written = make_metadata(recipe, recipe.checkpoint.sha256)
    return {key: value for key, value in written.items() if "conversion" not in key}

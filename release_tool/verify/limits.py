"""How many bytes each file of a release may have, for whoever fetches them.

What must be in them is for `evidence`.
"""

from release_tool.recipes.recipe import Recipe
from release_tool.sigstore.check.bundle import BUNDLE_LIMIT_BYTES
from release_tool.verify.evidence import LICENSE_LIMIT_BYTES, MANIFEST_LIMIT_BYTES


def asset_limits(recipe: Recipe) -> dict[str, int]:
    """Map the names of a release's files to the bytes that each may have."""
    names = recipe.names
    return {
        names.bundle: BUNDLE_LIMIT_BYTES,
        names.manifest: MANIFEST_LIMIT_BYTES,
        names.provenance: BUNDLE_LIMIT_BYTES,
        names.license: LICENSE_LIMIT_BYTES,
        names.notice: LICENSE_LIMIT_BYTES,
        names.model: recipe.graph.max_model_bytes,
    }

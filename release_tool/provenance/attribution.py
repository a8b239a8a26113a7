"""The licence asset: who made the model and under what terms, then upstream's LICENSE verbatim.

Fulfils Apache-2.0 §4(a) to (c) for a release; recognising the licence is `upstream`'s task.
"""

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError
from release_tool.recipes.recipe import Recipe

SEPARATOR = "\n" + "-" * 78 + "\n\n"
LICENSE_ASSET_LIMIT_BYTES = 1024 * 1024


def make_attribution(
    recipe: Recipe, checkpoint: Sha256, license_text: bytes, *, notice: bool
) -> bytes:
    """Write the licence asset's bytes from the recipe and upstream's own licence bytes."""
    upstream, credit = recipe.upstream, recipe.attribution
    lines = [
        f"{recipe.names.model} is a conversion of {credit.title} ({upstream.class_name}).",
        "",
        credit.copyright,
        "Licensed under the Apache License, Version 2.0; its text follows below, unchanged.",
        "",
        f"Paper:       {credit.paper}",
        f"Repository:  {upstream.repo}",
        f"Commit:      {upstream.commit}",
        f"Module:      {upstream.module_path} ({upstream.module_sha256})",
        f"Checkpoint:  {recipe.checkpoint.path} ({checkpoint})",
        "",
        "Changes (Apache-2.0 section 4(b)): the network and its trained weights were converted",
        f"from PyTorch to ONNX opset {recipe.graph.opset}. Only the fused saliency map is kept as",
        "an output; the weights themselves were not altered.",
    ]
    if notice:
        lines += ["", f"Upstream's NOTICE is part of this release as {recipe.names.notice}."]
    return "\n".join(lines).encode() + b"\n" + SEPARATOR.encode() + license_text


def split_license(content: bytes) -> bytes:
    """Return upstream's licence bytes out of a licence asset; raises `InputError` for any other."""
    _, separator, license_text = content.partition(SEPARATOR.encode())
    if not separator:
        raise InputError("the licence asset lacks the line between attribution and licence")
    return license_text

"""The licence asset: who made the model and under what terms, then upstream's LICENSE verbatim.

Fulfils what the licences ask of who hands a work on: its notice and text go with it (MIT, BSD, ISC,
Apache-2.0 §4(a), (c)), what was changed is said (§4(b)), and where the source is (MPL-2.0 §3.2).
Recognising the licence is `upstream`'s task.
"""

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError
from release_tool.recipes.license import describe_terms
from release_tool.recipes.recipe import Recipe

SEPARATOR = "\n" + "-" * 78 + "\n\n"


def make_attribution(
    recipe: Recipe,
    checkpoint: Sha256,
    license_text: bytes,
    *,
    notice: bool,
    recognised: bool = True,
) -> bytes:
    """Write the licence asset's bytes from the recipe and upstream's own licence bytes."""
    upstream, credit, terms = recipe.upstream, recipe.attribution, recipe.license
    opset = recipe.contract.opset
    lines = [
        f"{recipe.names.model} is a conversion of {credit.title} ({recipe.network.name}).",
        "",
        credit.copyright,
        describe_terms(terms, recognised=recognised),
        "",
        *([f"Paper:       {credit.paper}"] if credit.paper else []),
        f"Repository:  {upstream.repo}",
        f"Commit:      {upstream.commit}",
        *(f"Module:      {path} ({digest})" for path, digest in upstream.modules),
        f"Checkpoint:  {recipe.checkpoint.path} ({checkpoint})",
        "",
        f"Changes{terms.modified}: the network and its trained weights were",
        f"converted from PyTorch to ONNX opset {opset}; the weights were not altered.",
    ]
    if terms.spdx == "MPL-2.0":
        lines += ["", "The source code form (MPL-2.0 section 3.2(a)) is in that repository."]
    if notice:
        lines += ["", f"Upstream's NOTICE is part of this release as {recipe.names.notice}."]
    return "\n".join(lines).encode() + b"\n" + SEPARATOR.encode() + license_text


def split_license(content: bytes) -> bytes:
    """Return upstream's licence bytes out of a licence asset; raises `InputError` for any other."""
    _, separator, license_text = content.partition(SEPARATOR.encode())
    if not separator:
        raise InputError("the licence asset lacks the line between attribution and licence")
    return license_text

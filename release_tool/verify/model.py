"""The Python API: a model's bytes with the verdict on exactly these bytes.

For people who load the model in Python; the command line uses the parts beneath it.
"""

from dataclasses import dataclass
from pathlib import Path

from release_tool.core.errors import CannotVerify, InputError
from release_tool.core.files import read_limited
from release_tool.core.limits import MODEL_LIMIT_BYTES
from release_tool.recipes.catalog import open_recipe
from release_tool.recipes.recipe import Recipe
from release_tool.recipes.u2netp import U2NETP
from release_tool.sigstore.trust.instance import TrustedRoot, open_trusted_root
from release_tool.sigstore.trust.signer import ExpectedSigner
from release_tool.verify.demands import Demands
from release_tool.verify.evidence import evidence_for_bytes
from release_tool.verify.release import VerifiedRelease
from release_tool.verify.verdict import verify_release


@dataclass(frozen=True, slots=True)
class VerifiedModel:
    """The very bytes that were verified, and the verdict on them.

    Hand `content` to the runtime and not the path again: the file may have changed in between.
    """

    content: bytes
    release: VerifiedRelease


def verify_model(
    path: str | Path,
    *,
    signer: ExpectedSigner | None = None,
    trusted_root: str | Path | TrustedRoot = "production",
    offline: bool = True,
    recipe: str | Recipe | None = None,
    bundle: str | Path | None = None,
) -> VerifiedModel:
    """Read a model into memory and verify it by the bundle and the other files beside it.

    With a `recipe`, by name, file or value, the model must be the one that it pins, and `signer`
    defaults to its publisher. With neither it is U2NETP's recipe; with a signer alone the release
    of any recipe is judged. Offline, which is the default, nothing is asked
    over the network and the trusted root is the one that the installed sigstore package carries.
    Raises `NotVerified`, `CannotVerify`, and `InputError` for a trusted root that is none.
    """
    if recipe is None and signer is None:
        recipe = U2NETP
    known = open_recipe(recipe) if isinstance(recipe, str) else recipe
    if isinstance(trusted_root, TrustedRoot):
        root = trusted_root
    else:
        root = open_trusted_root(trusted_root, offline=offline)
    try:
        content = read_limited(Path(path), MODEL_LIMIT_BYTES)
    except InputError as error:
        raise CannotVerify(error.message, hint=error.hint) from error
    given = None if bundle is None else Path(bundle)
    evidence = evidence_for_bytes(content, Path(path), known, bundle=given)
    expected = signer or ExpectedSigner.of_publisher((known or U2NETP).publisher)
    return VerifiedModel(content, verify_release(evidence, expected, root, Demands(known)))

"""Signs an exported release, unless it is signed already."""

from release_tool.chain.evaluated import open_evaluation
from release_tool.chain.signatures import make_signatures
from release_tool.chain.signed import SignedRelease, find_signed, verify_signed
from release_tool.core.errors import InputError, NotVerified
from release_tool.core.patience import Patience
from release_tool.core.progress import SILENT, Progress
from release_tool.gates.contract import check_contract
from release_tool.provenance.exported import EXPORT_AGAIN, ExportedRelease, hold_pins
from release_tool.provenance.statement import Builder
from release_tool.recipes.recipe import Recipe
from release_tool.sigstore.sign.token import Identity, check_builder
from release_tool.sigstore.trust.instance import SigstoreInstance
from release_tool.verify.contents import check_metadata


def sign_release(
    exported: ExportedRelease,
    recipe: Recipe,
    instance: SigstoreInstance,
    identity: Identity,
    builder: Builder,
    *,
    unpinned: bool = False,
    patience: Patience | None = None,
    progress: Progress = SILENT,
) -> SignedRelease:
    """Sign an exported release, unless bundles that cover its very bytes are there already.

    What the recipe does not pin is refused, or with `unpinned` marked as such in the manifest; a
    model that contradicts its manifest is refused in any case.
    """
    directory, exported = exported.directory, hold_pins(exported, recipe, unpinned=unpinned)
    with progress.stage("gates"):
        contract = check_contract(directory / exported.model.name, recipe)
        try:
            check_metadata(exported.manifest, dict(contract.metadata), recipe)
        except NotVerified as error:
            raise InputError(error.message, hint=EXPORT_AGAIN) from error
    evaluation = open_evaluation(exported, recipe)
    root = instance.trusted_root
    reused = find_signed(exported, recipe, identity.signer, root)
    if reused is not None:
        progress.note("reusing the signatures, they cover these bytes")
        return reused
    check_builder(identity, builder.id)
    with progress.stage("sign"):
        signatures = make_signatures(
            exported, recipe, instance, identity, builder, evaluation, patience, progress
        )
    with progress.stage("verify own signatures"):
        return verify_signed(exported, recipe, signatures, identity.signer, root)

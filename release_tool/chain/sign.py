"""Signs an exported release, unless it is signed already."""

from pathlib import Path

from release_tool.chain.signed import find_signed
from release_tool.core.artifact import Artifact
from release_tool.core.errors import InputError, NotVerified
from release_tool.core.files import write_whole
from release_tool.core.progress import SILENT, Progress
from release_tool.gates.contract import check_contract
from release_tool.provenance.exported import EXPORT_AGAIN, hold_pins, open_exported
from release_tool.provenance.statement import Builder, make_statement
from release_tool.recipes.recipe import Recipe
from release_tool.sigstore.sign.session import open_session
from release_tool.sigstore.sign.token import Identity, check_builder
from release_tool.sigstore.trust.instance import SigstoreInstance
from release_tool.verify.contents import check_metadata
from release_tool.verify.evidence import open_evidence
from release_tool.verify.release import VerifiedRelease
from release_tool.verify.verdict import verify_release


def sign_release(
    directory: Path,
    recipe: Recipe,
    instance: SigstoreInstance,
    identity: Identity,
    builder: Builder,
    *,
    unpinned: bool = False,
    progress: Progress = SILENT,
) -> VerifiedRelease:
    """Sign an exported release, unless bundles that cover its very bytes are there already.

    What the recipe does not pin is refused, or with `unpinned` marked as such in the manifest; a
    model that contradicts its manifest is refused in any case.
    """
    exported = hold_pins(open_exported(directory, recipe), recipe, unpinned=unpinned)
    with progress.stage("gates"):
        contract = check_contract(directory / exported.model.name, recipe)
        try:
            check_metadata(exported.manifest, dict(contract.metadata), recipe)
        except NotVerified as error:
            raise InputError(error.message, hint=EXPORT_AGAIN) from error
    root = instance.trusted_root
    reused = find_signed(directory, recipe, identity.signer, root)
    if reused is not None:
        progress.note("reusing the signatures, they cover these bytes")
        return reused
    check_builder(identity, builder.id)
    with progress.stage("sign"), open_session(instance, identity) as session:
        bundle = session.sign_artifact(exported.model)
        signed = Artifact.of_bytes(recipe.names.bundle, bundle)
        statement = make_statement((*exported.files, signed), exported.manifest, builder)
        provenance = session.sign_statement(statement.payload)
        write_whole(directory / recipe.names.bundle, bundle)
        write_whole(directory / recipe.names.provenance, provenance)
    with progress.stage("verify own signatures"):
        return verify_release(open_evidence(directory, recipe), identity.signer, root)

"""Makes the signatures of a release that are missing, and keeps each as soon as it is made.

What is signed was checked by the caller, who verifies everything afterwards.
"""

from pathlib import Path

from release_tool.chain.evaluated import ReleaseEvaluation
from release_tool.core.artifact import Content
from release_tool.core.digest import Sha256
from release_tool.core.errors import CannotVerify, NotVerified
from release_tool.core.files import writable, write_whole
from release_tool.core.limits import BUNDLE_LIMIT_BYTES
from release_tool.core.patience import Patience
from release_tool.core.progress import Progress
from release_tool.provenance.exported import ExportedRelease
from release_tool.provenance.statement import Builder, make_statement
from release_tool.recipes import layout
from release_tool.recipes.recipe import Recipe
from release_tool.sigstore.sign.session import SigningSession, open_session
from release_tool.sigstore.sign.token import Identity
from release_tool.sigstore.trust.instance import SigstoreInstance, TrustedRoot
from release_tool.sigstore.trust.signer import ExpectedSigner
from release_tool.verify.evidence import evidence_for_digest, read_evidence
from release_tool.verify.verdict import verify_release


def make_signatures(
    exported: ExportedRelease,
    recipe: Recipe,
    instance: SigstoreInstance,
    identity: Identity,
    builder: Builder,
    evaluation: ReleaseEvaluation | None,
    patience: Patience | None,
    progress: Progress,
) -> dict[str, Content]:
    """Sign the model, unless that holds already, and a statement over every file.

    Returns by role what is in the files that were made.
    """
    names, model = recipe.names, exported.model
    place = exported.directory / names.bundle
    bundle = find_bundle(place, model.digest, identity.signer, instance.trusted_root)
    with open_session(instance, identity, patience) as session:
        if bundle is None:
            bundle = Content.of(session.sign_artifact(model))
            write_whole(place, bundle.data)
        else:
            progress.note("reusing the model's signature, which an earlier run made")
        more = sign_evaluation(session, exported, recipe, evaluation)
        results = (content.named(layout.TEST_RESULT.name_in(names)) for content in more.values())
        subjects = (*exported.files, bundle.named(names.bundle), *results)
        statement = make_statement(subjects, exported.manifest, builder, layout.file_roles(names))
        provenance = Content.of(session.sign_statement(statement.payload))
        write_whole(exported.directory / names.provenance, provenance.data)
    return {layout.BUNDLE.role: bundle, layout.PROVENANCE.role: provenance, **more}


def sign_evaluation(
    session: SigningSession,
    exported: ExportedRelease,
    recipe: Recipe,
    evaluation: ReleaseEvaluation | None,
) -> dict[str, Content]:
    """Sign whether the model passed its evaluation, and return that by its role.

    Without one a test result of an earlier evaluation goes.
    """
    path = exported.directory / layout.TEST_RESULT.name_in(recipe.names)
    if evaluation is None:
        with writable(exported.directory):
            path.unlink(missing_ok=True)
        return {}
    content = Content.of(session.sign_statement(evaluation.state(exported.model).payload))
    write_whole(path, content.data)
    return {layout.TEST_RESULT.role: content}


def find_bundle(
    path: Path, digest: Sha256, signer: ExpectedSigner, root: TrustedRoot
) -> Content | None:
    """Return the bundle at a path if by it this very signer signed the digest, else None."""
    try:
        evidence = evidence_for_digest(digest, read_evidence(path, BUNDLE_LIMIT_BYTES))
        verify_release(evidence, signer, root)
    except (CannotVerify, NotVerified):
        return None
    return evidence.bundle

"""Steps 10 to 12: the files of a release speak of each other, and say the same.

Runs after the signatures hold; what a statement says is worth nothing before.
"""

from collections.abc import Mapping

from release_tool.core.digest import Sha256
from release_tool.core.errors import CannotVerify
from release_tool.provenance.attribution import split_license
from release_tool.provenance.manifest import Manifest
from release_tool.provenance.pins import claimed_recipe
from release_tool.provenance.statement import (
    LOCAL_BUILDER,
    PAYLOAD_TYPE,
    PREDICATE_TYPE,
    Statement,
    Subject,
    dependencies,
)
from release_tool.recipes import layout
from release_tool.recipes.metadata import make_metadata, pinned_metadata
from release_tool.recipes.recipe import Recipe
from release_tool.sigstore.check.claims import Claims
from release_tool.sigstore.check.refusal import mismatch, reading, show
from release_tool.sigstore.trust.signer import GITHUB_ISSUER
from release_tool.verify.evidence import Evidence, Sidecars


def open_statement(payload: bytes, payload_type: str | None) -> Statement:
    """Read a signed provenance (in-toto, SLSA v1); raises `CannotVerify` for another kind.

    A signer states many things: what a file is made of, that a test or a review of it failed. Only
    a provenance says that this is the file that came out of the build.
    """
    if payload_type != PAYLOAD_TYPE:
        raise mismatch("type of the signed payload", expected=PAYLOAD_TYPE, actual=payload_type)
    with reading("the signed statement"):
        statement = Statement.parse(payload)
    if statement.predicate_type != PREDICATE_TYPE:
        raise CannotVerify(
            "what is stated of the file is of a kind that cannot be judged here: "
            f"{show(statement.predicate_type)}; supported is its provenance, {PREDICATE_TYPE}",
            hint="name the bundle of the file's signature or of its provenance with --bundle",
        )
    return statement


def check_model_subject(statement: Statement, digest: Sha256, recipe: Recipe | None) -> str | None:
    """Return the name of the subject that has the model's digest, or None where it has no name.

    1. Some subject must have that digest.
    2. Our own statement is also about the licence, the manifest and the bundle, which the same
       signature covers. By its own word the subject must therefore be the model, and be called as
       the recipe calls it, if one is known. The subjects of other statements have any name.
    """
    named = [subject.name for subject in statement.subjects if subject.digest == digest]
    if not named:
        stated = ", ".join(f"{item.name} ({item.digest})" for item in statement.subjects[:3])
        if not statement.whole:
            raise CannotVerify(
                "a subject of the statement has digests of kinds that cannot be judged here; "
                f"supported is sha256, and by it the file is none of {stated}"
            )
        raise mismatch("the file's digest", expected=f"that of a subject: {stated}", actual=digest)
    if not statement.ours:
        return named[0] or None
    model = read_roles(statement).get(layout.MODEL.role)
    wanted = recipe.names.model if recipe else "the release's model"
    if model is None or model.digest != digest or (recipe and model.name != wanted):
        raise mismatch(
            "what the file is by the signed statement",
            expected=wanted,
            actual=", ".join(named),
            hint="name its recipe with --recipe; no other file of a release is taken for a model",
        )
    return model.name


def read_roles(statement: Statement) -> dict[str, Subject]:
    """Read what a statement of ours says of each file's role; raises `NotVerified`."""
    with reading("the signed statement"):
        return statement.roles


def check_builder(statement: Statement, claims: Claims) -> None:
    """Refuse a statement of ours that names another builder than its certificate bears out.

    1. Signed in GitHub Actions, the builder is the workflow that ran: the one that was started, or
       the reusable one that it called. Both stand in the certificate.
    2. Signed elsewhere, it may also be a machine that has no name.
    """
    if not statement.ours:
        return
    actual, certified = builder_of(statement), certified_builders(claims)
    if actual is None or actual not in certified:
        raise mismatch(
            "the builder by the provenance",
            expected=certified[0],
            actual=actual,
            hint="the certificate says who signed; it does not bear out who is said to have built",
        )


def certified_builders(claims: Claims) -> list[str]:
    """List the builders that a certificate bears out, the likeliest first."""
    local = None if claims.issuer == GITHUB_ISSUER else LOCAL_BUILDER
    found = (local, claims.workflow, claims.build_signer_uri, claims.identity)
    return [name for name in found if name]


def builder_of(statement: Statement) -> str | None:
    """Read who is said to have run the build (SLSA v1, `runDetails.builder.id`)."""
    details = statement.predicate.get("runDetails")
    builder = details.get("builder") if isinstance(details, dict) else None
    found = builder.get("id") if isinstance(builder, dict) else None
    return None if found is None else str(found)


def release_files(
    statement: Statement | None, evidence: Evidence, sidecars: Sidecars
) -> dict[str, Sha256]:
    """Map the release's name of each file that is at hand to its digest.

    Names are by role, since a consumer installs the model under a name of its own: the recipe's,
    else those of a statement of ours, else those that the files have here.
    """
    contents = dict(sidecars.files)
    if sidecars.bundle_listed:
        contents[layout.BUNDLE.role] = evidence.bundle
    digests = {role: content.digest for role, content in contents.items()}
    digests = {layout.MODEL.role: evidence.digest, **digests}
    names = release_names(statement, evidence, sidecars.recipe)
    rows = [row for row in layout.FILES if row.subject and row.role in digests]
    return {names.get(row.role, row.role): digests[row.role] for row in rows}


def release_names(
    statement: Statement | None, evidence: Evidence, recipe: Recipe | None
) -> dict[str, str]:
    """Map the roles of a release's files to their names in it."""
    if recipe is not None:
        return layout.file_names(recipe.names)
    if statement is not None and statement.ours:
        return {role: subject.name for role, subject in read_roles(statement).items()}
    return {row.role: row.beside(evidence.name) for row in layout.FILES if row.follows_model}


def check_subjects(statement: Statement, evidence: Evidence, sidecars: Sidecars) -> str:
    """(10) Refuse files that the statement is not about; in a whole release, any difference."""
    files = release_files(statement, evidence, sidecars)
    subjects: dict[str, list[Sha256]] = {}
    for subject in statement.subjects:  # of another project two may have one name
        subjects.setdefault(subject.name, []).append(subject.digest)
    for name, digest in files.items():
        if name not in subjects:
            raise mismatch("subjects of the provenance", expected=name, actual=", ".join(subjects))
        if digest not in subjects[name]:
            expected = " or ".join(map(str, subjects[name]))
            raise mismatch(f"digest of {name}", expected=expected, actual=digest)
    if statement.ours:
        check_roles(statement, evidence, sidecars)
    missing = sorted(subjects.keys() - files.keys())
    if sidecars.whole and missing:
        raise mismatch(
            "files of the release", expected=", ".join(sorted(subjects)), actual=", ".join(files)
        )
    return f"{len(files)} of {len(subjects)} subjects are at hand, each with its digest"


def check_roles(statement: Statement, evidence: Evidence, sidecars: Sidecars) -> None:
    """(10) Refuse a file that is used for something else than the statement says that it is."""
    stated = read_roles(statement)
    for role, content in sidecars.files.items():
        subject = stated.get(role)
        if role == layout.PROVENANCE.role or (subject and subject.digest == content.digest):
            continue
        raise mismatch(
            f"the {role} by the signed statement",
            expected="none" if subject is None else subject.digest,
            actual=content.digest,
        )
    model = stated.get(layout.MODEL.role)
    if model is None or model.digest != evidence.digest:
        raise mismatch(
            "the model by the signed statement",
            expected="none" if model is None else model.digest,
            actual=evidence.digest,
        )


def check_named_bundle(statement: Statement, evidence: Evidence) -> None:
    """(10) Refuse a file signature that is not the one that a statement of ours names.

    Whatever the bundle's file is called now, the statement has its digest: bytes that differ were
    changed, or taken from somewhere else, and what dates them cannot be compared.
    """
    named = read_roles(statement).get(layout.BUNDLE.role) if statement.ours else None
    if named is not None and evidence.bundle.digest != named.digest:
        raise mismatch(
            "digest of the model's bundle",
            expected=f"{named.digest}, by the provenance",
            actual=evidence.bundle.digest,
            hint="fetch the release again, or verify the model without the provenance beside it",
        )


def check_manifest(
    manifest: Manifest, statement: Statement | None, evidence: Evidence, sidecars: Sidecars
) -> str:
    """(11) Refuse a manifest, a licence and a model that do not belong together."""
    files = release_files(statement, evidence, sidecars)
    recipe, name = sidecars.recipe, next(iter(files))
    model_id = manifest.model_id if recipe is None else recipe.model_id
    for what, expected, actual, hint in (
        ("the manifest's model", model_id, manifest.model_id, "see --recipe"),
        ("the manifest's digest of the model", evidence.digest, manifest.outputs.onnx_sha256, None),
        ("the manifest's file name", name, manifest.outputs.onnx_path, None),
    ):
        if expected != actual:
            raise mismatch(what, expected=expected, actual=actual, hint=hint)
    for name, digest in manifest.run_provenance.outputs.digests.items():
        if name in files and files[name] != digest:
            raise mismatch(f"digest of {name}", expected=digest, actual=files[name])
    said = ["the manifest is about this model"]
    if sidecars.license is not None:
        check_license(manifest, sidecars.license.data)
        said.append("the licence is upstream's")
    notice = sidecars.notice is not None
    if notice != manifest.upstream.notice_present and (sidecars.whole or notice):
        wanted = manifest.upstream.notice_present
        raise mismatch("presence of a notice", expected=wanted, actual=notice)
    if statement is not None:
        check_dependencies(statement, manifest)
    return "; ".join(said)


def check_license(manifest: Manifest, asset: bytes) -> None:
    """(11) Refuse a licence asset that does not end in the licence that the manifest names."""
    with reading("the licence"):
        text = Sha256.of_bytes(split_license(asset))
    if text != manifest.upstream.license_sha256:
        expected = manifest.upstream.license_sha256
        raise mismatch("digest of upstream's licence", expected=expected, actual=text)


def check_dependencies(statement: Statement, manifest: Manifest) -> None:
    """Refuse a provenance that names other inputs of the build than the manifest does."""
    if not statement.ours:
        return
    actual = statement.predicate["buildDefinition"].get("resolvedDependencies")
    if actual != dependencies(manifest):
        raise mismatch(
            "the build's inputs by the provenance", expected=dependencies(manifest), actual=actual
        )


def check_metadata(manifest: Manifest, actual: Mapping[str, str], recipe: Recipe | None) -> str:
    """(12) Refuse a model whose own metadata, `actual`, is not what the manifest's claims make it.

    1. Every key that an export writes, and no other; none where the manifest says that none was.
    2. The origin that the manifest states. How the conversion is described the recipe decides.
    """
    if recipe is None:
        return "not checked: the release's recipe is not at hand, which spells the properties"
    claimed = claimed_recipe(manifest, recipe)
    written = make_metadata(claimed, claimed.checkpoint.sha256)
    keys = set(written) if manifest.export.metadata_written else set()
    stated = pinned_metadata(claimed)
    for key in sorted({*actual, *keys}):
        expected = stated.get(key, actual.get(key, "")) if key in keys else None
        if actual.get(key) != expected:
            raise mismatch(
                f"the model's metadata {show(key)!r}",
                expected=expected and f"{expected}, as the manifest says",
                actual=actual.get(key),
            )
    return f"{len(actual)} properties in the model are the manifest's"

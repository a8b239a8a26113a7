"""Puts a verified release where its consumer looks for it; the bytes that were judged, no others.

Decides nothing about trust: it asks for a `VerifiedRelease` and compares digests with it.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from release_tool.core.digest import Sha256
from release_tool.core.errors import CannotVerify, InputError, NotVerified
from release_tool.core.files import new_file, open_regular, writable, write_whole
from release_tool.recipes import layout
from release_tool.recipes.recipe import Recipe
from release_tool.sigstore.check.refusal import mismatch
from release_tool.verify.evidence import Evidence
from release_tool.verify.release import VerifiedRelease

CHUNK_BYTES = 1024 * 1024


def install_release(
    evidence: Evidence, verified: VerifiedRelease, target_dir: Path, recipe: Recipe
) -> Path:
    """Install the model under the consumer's name, its other files beside it; return its path.

    Every byte is hashed once more on its way and must have the verified digest, so it does not
    matter what happened to the files since. The model appears last, whole or not at all. Raises
    `NotVerified` for other bytes and `InputError` where the directory cannot be written.
    """
    model = target_dir / recipe.names.installed_model
    written_names = set()
    for name, content in installed_sidecars(evidence, verified, recipe):
        write_whole(target_dir / name, content)
        written_names.add(name)
    digest = verified.model.digest
    with new_file(model) as temporary, temporary.open("xb") as sink:
        hasher = hashlib.sha256()
        for chunk in model_chunks(evidence):
            hasher.update(chunk)
            sink.write(chunk)
        written = Sha256(hasher.hexdigest())
        if written != digest:
            raise mismatch("digest of the model while installing", expected=digest, actual=written)
    remove_stale(target_dir, set(installed_names(recipe).values()) - written_names, evidence)
    return model


def remove_stale(target_dir: Path, names: set[str], evidence: Evidence) -> None:
    """Remove what an older release left beside the model and this one does not have.

    It would speak of another model, and the next verdict on this one be a refusal. Files that the
    evidence itself was read beside are not an older release's.
    """
    with writable(target_dir):
        source = None if evidence.path is None else evidence.path.parent
        if source is not None and source.is_dir() and source.samefile(target_dir):
            return
        for name in names:
            (target_dir / name).unlink(missing_ok=True)


def installed_names(recipe: Recipe) -> dict[str, str]:
    """Map each role to the name that its file gets beside the installed model."""
    names = recipe.names
    return {
        row.role: row.name_in(names, names.installed_model)
        for row in layout.FILES
        if row is not layout.MODEL
    }


def installed_sidecars(
    evidence: Evidence, verified: VerifiedRelease, recipe: Recipe
) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of each file that goes beside the model, checked again."""
    sidecars = evidence.sidecars
    if sidecars is None:
        raise CannotVerify("there is nothing to install: only a digest was verified")
    names = installed_names(recipe)
    contents = {**sidecars.files, layout.BUNDLE.role: evidence.bundle}
    for artifact in verified.artifacts[1:]:
        content = contents.get(artifact.role)
        if content is None or content.digest != artifact.digest:
            raise NotVerified(f"the {artifact.role} is not the one that was verified")
        yield names[artifact.role], content.data


def model_chunks(evidence: Evidence) -> Iterator[bytes]:
    """Yield the model's bytes in bounded pieces."""
    if evidence.content is not None:
        yield evidence.content
        return
    if evidence.path is None:
        raise CannotVerify("there is nothing to install: only a digest was verified")
    try:
        with open_regular(evidence.path) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                yield chunk
    except InputError as error:
        raise CannotVerify(error.message, hint=error.hint) from error

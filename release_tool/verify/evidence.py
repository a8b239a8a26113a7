"""Collects what a verdict is reached from: a model and the files that speak for it, within limits.

Reads and judges nothing; whatever is missing, unreadable or too large is `CannotVerify`.
"""

from dataclasses import dataclass
from pathlib import Path

from release_tool.core.digest import Sha256
from release_tool.core.errors import CannotVerify, InputError
from release_tool.core.files import open_regular, read_limited
from release_tool.recipes.recipe import Recipe, ReleaseNames
from release_tool.verify.bundle import BUNDLE_LIMIT_BYTES

MODEL_LIMIT_BYTES = 2 * 1024 * 1024 * 1024
MANIFEST_LIMIT_BYTES = 1024 * 1024
LICENSE_LIMIT_BYTES = 1024 * 1024
BUNDLE_SUFFIXES = (".sigstore.json", ".sigstore", ".bundle")
MAX_ENTRIES = 10_000


@dataclass(frozen=True, slots=True)
class Sidecars:
    """The release's other files as bytes, those that are there; `recipe` gives them their names.

    `whole` says that they come from a release's directory, so none may be missing or unnamed.
    `bundle_listed` says that the model's bundle is the release's own, a subject of its statement.
    """

    recipe: Recipe
    manifest: bytes | None = None
    provenance: bytes | None = None
    license: bytes | None = None
    notice: bytes | None = None
    whole: bool = False
    bundle_listed: bool = True


@dataclass(frozen=True, slots=True)
class Evidence:
    """A model, or only its digest, with its bundle and whatever else the release says of it.

    `name` is for people; `recipe` says what a signed statement should call the model. The model's
    bytes are in `content`, in the file at `path`, or nowhere.
    """

    name: str
    digest: Sha256
    bundle: bytes
    size: int | None = None
    path: Path | None = None
    content: bytes | None = None
    sidecars: Sidecars | None = None
    recipe: Recipe | None = None


def evidence_for_digest(digest: Sha256, bundle: bytes, recipe: Recipe | None = None) -> Evidence:
    """Collect evidence for a model that is somewhere else, known by its digest alone.

    With a `recipe`, one of our own statements must be about that recipe's model; without one,
    about some model.
    """
    return Evidence(str(digest), digest, bundle, recipe=recipe)


def evidence_for_bytes(
    content: bytes, path: Path, recipe: Recipe, *, bundle: Path | bytes | None = None
) -> Evidence:
    """Collect evidence for a model's bytes that are in memory, by the files beside `path`."""
    signed, listed = find_bundle(path, bundle)
    return Evidence(
        name=path.name,
        digest=Sha256.of_bytes(content),
        size=len(content),
        path=path,
        content=content,
        bundle=signed,
        sidecars=read_sidecars(path, recipe, whole=False, bundle_listed=listed),
        recipe=recipe,
    )


def open_evidence(path: Path, recipe: Recipe, *, bundle: Path | bytes | None = None) -> Evidence:
    """Collect evidence for a model file, or for the one model of a release's directory.

    Beside a model `x.onnx` the bundle is `x.onnx.sigstore.json`, else `.sigstore` or `.bundle`,
    unless one is given, as a path or as bytes; the other files are used where they are there. In a
    directory all are required.
    """
    whole = is_directory(path)
    model = find_model(path, recipe) if whole else path
    digest, size = hash_model(model)
    signed, listed = find_bundle(model, bundle)
    return Evidence(
        name=model.name,
        digest=digest,
        size=size,
        path=model,
        bundle=signed,
        sidecars=read_sidecars(model, recipe, whole=whole, bundle_listed=listed),
        recipe=recipe,
    )


def is_directory(path: Path) -> bool:
    """Tell a directory from a file; a loop of symbolic links is neither and fails later."""
    try:
        return path.is_dir()
    except OSError as error:
        raise CannotVerify(f"cannot read {path}: {error.strerror}") from error


def find_model(directory: Path, recipe: Recipe) -> Path:
    """Return the one model of a directory, under the name of the release or of the consumer."""
    models = []
    try:
        for position, entry in enumerate(directory.iterdir()):
            if position >= MAX_ENTRIES:
                raise CannotVerify(f"{directory} holds more than {MAX_ENTRIES} files")
            if entry.suffix == ".onnx":
                models.append(entry)
    except OSError as error:
        raise CannotVerify(f"cannot read {directory}: {error.strerror}") from error
    if len(models) != 1:
        found = ", ".join(sorted(model.name for model in models)[:5]) or "none"
        raise CannotVerify(
            f"{directory} should hold one model; it holds {found}", hint="name the model's file"
        )
    expected = (recipe.names.model, recipe.names.installed_model)
    if models[0].name not in expected:
        raise CannotVerify(
            f"{directory} holds {models[0].name}, not {expected[0]}",
            hint="name its recipe with --recipe, or name the model's file",
        )
    return models[0]


def hash_model(path: Path) -> tuple[Sha256, int]:
    """Hash a model of at most 2 GiB, which is what ONNX allows, in bounded memory."""
    try:
        with open_regular(path) as stream:
            digest = Sha256.of_stream(stream, MODEL_LIMIT_BYTES)
            return digest, stream.tell()
    except InputError as error:
        named = str(path) in error.message
        message = error.message if named else f"cannot read {path}: {error.message}"
        raise CannotVerify(message, hint=error.hint) from error
    except OSError as error:
        raise CannotVerify(f"cannot read {path}: {error.strerror}") from error


def find_bundle(model: Path, given: Path | bytes | None) -> tuple[bytes, bool]:
    """Return the model's bundle, and whether it lies where the release puts its own."""
    if isinstance(given, bytes):
        return given, False
    if given is not None:
        return read_evidence(given, BUNDLE_LIMIT_BYTES), False
    for suffix in BUNDLE_SUFFIXES:
        path = model.with_name(model.name + suffix)
        if exists(path):
            return read_evidence(path, BUNDLE_LIMIT_BYTES), suffix == BUNDLE_SUFFIXES[0]
    raise CannotVerify(
        f"there is no bundle beside {model}",
        hint=f"put {model.name}{BUNDLE_SUFFIXES[0]} beside it, name one with --bundle, or fetch "
        "it with --from OWNER/NAME@TAG",
    )


def sidecar_names(model: str, names: ReleaseNames) -> dict[str, str]:
    """Map each role to the name of its file beside a model of that name."""
    stem = model.removesuffix(".onnx")
    return {
        "manifest": f"{stem}.manifest.json",
        "provenance": f"{stem}.provenance.sigstore.json",
        "license": names.license,
        "notice": names.notice,
    }


def read_sidecars(model: Path, recipe: Recipe, *, whole: bool, bundle_listed: bool) -> Sidecars:
    """Read the files beside a model; with `whole`, all but the notice must be there."""
    limits = {
        "manifest": MANIFEST_LIMIT_BYTES,
        "provenance": BUNDLE_LIMIT_BYTES,
        "license": LICENSE_LIMIT_BYTES,
        "notice": LICENSE_LIMIT_BYTES,
    }
    found: dict[str, bytes] = {}
    for role, name in sidecar_names(model.name, recipe.names).items():
        path = model.with_name(name)
        if exists(path):
            found[role] = read_evidence(path, limits[role])
        elif whole and role != "notice":
            raise CannotVerify(
                f"the release in {model.parent} lacks its {role}, {name}",
                hint="fetch the release again, or name the model's file to verify it alone",
            )
    return Sidecars(recipe, **found, whole=whole, bundle_listed=bundle_listed)


def exists(path: Path) -> bool:
    """Tell whether anything has that name, be it a broken link: what is there must be readable."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        raise CannotVerify(f"cannot read {path}: {error}") from error
    return True


def read_evidence(path: Path, limit_bytes: int) -> bytes:
    """Read a file whole, of bounded size."""
    try:
        return read_limited(path, limit_bytes)
    except InputError as error:
        raise CannotVerify(error.message, hint=error.hint) from error

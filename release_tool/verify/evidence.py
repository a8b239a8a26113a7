"""Collects what a verdict is reached from: a model and the files that speak for it, within limits.

Reads and judges nothing; whatever is missing, unreadable or too large is `CannotVerify`.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from release_tool.core.artifact import Content
from release_tool.core.digest import CHUNK_BYTES, Sha256
from release_tool.core.errors import CannotVerify, InputError, NotVerified
from release_tool.core.files import open_regular, read_limited, reason
from release_tool.core.limits import BUNDLE_LIMIT_BYTES
from release_tool.recipes import layout
from release_tool.recipes.recipe import Recipe
from release_tool.verify.locate import HashFile, find_model, hash_model, is_directory

BUNDLE_SUFFIXES = (layout.BUNDLE_SUFFIX, ".sigstore", ".bundle")


@dataclass(frozen=True, slots=True)
class Sidecars:
    """The release's other files in memory by role, those that are there.

    `recipe` gives them their names: the one that they are held against, else the release's own, or
    None where neither is known. `whole` says that they come from a release's directory, so none may
    be missing or unnamed. `bundle_listed` says that the model's bundle is the release's own, a
    subject of its statement.
    """

    recipe: Recipe | None
    files: Mapping[str, Content] = field(default_factory=dict)
    whole: bool = False
    bundle_listed: bool = True

    @property
    def manifest(self) -> Content | None:
        """The manifest, where there is one."""
        return self.files.get(layout.MANIFEST.role)

    @property
    def provenance(self) -> Content | None:
        """The bundle of the statement, where there is one."""
        return self.files.get(layout.PROVENANCE.role)

    @property
    def license(self) -> Content | None:
        """The licence asset, where there is one."""
        return self.files.get(layout.LICENSE.role)

    @property
    def notice(self) -> Content | None:
        """Upstream's NOTICE, where there is one."""
        return self.files.get(layout.NOTICE.role)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A model, or only its digest, with its bundle and whatever else the release says of it.

    `name` is for people; `recipe` says what a signed statement should call the model. The model's
    bytes are in `content`, in the file at `path`, or nowhere.
    """

    name: str
    digest: Sha256
    bundle: Content
    size: int | None = None
    path: Path | None = None
    content: bytes | None = None
    sidecars: Sidecars | None = None
    recipe: Recipe | None = None

    def digest_by(self, algorithm: str) -> bytes:
        """Return the model's digest by SHA-2, of which `algorithm` is the name as in `hashlib`.

        Any but SHA-256 is computed of the bytes that have the digest of the evidence; raises
        `CannotVerify` where only that is there, and `NotVerified` where the file was changed.
        """
        if algorithm == "sha256":
            return bytes.fromhex(self.digest.hex)
        if self.content is not None:
            return hashlib.new(algorithm, self.content).digest()
        if self.path is None:
            raise CannotVerify(
                f"the signature covers the file's {algorithm}, and only its sha256 was given",
                hint="name the file itself",
            )
        hashed, same = hashlib.new(algorithm), hashlib.sha256()
        with reading_evidence(), open_regular(self.path) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                hashed.update(chunk)
                same.update(chunk)
        if same.hexdigest() != self.digest.hex:
            raise NotVerified(f"{self.path} was changed while it was read")
        return hashed.digest()


def evidence_for_digest(digest: Sha256, bundle: bytes, recipe: Recipe | None = None) -> Evidence:
    """Collect evidence for a model that is somewhere else, known by its digest alone.

    With a `recipe`, one of our own statements must be about that recipe's model; without one,
    about some model.
    """
    return Evidence(str(digest), digest, Content.of(bundle), recipe=recipe)


def evidence_for_bytes(
    content: bytes, path: Path, recipe: Recipe | None = None, *, bundle: Path | bytes | None = None
) -> Evidence:
    """Collect evidence for a model's bytes that are in memory, by the files beside `path`."""
    signed, listed = find_bundle(path, bundle)
    sidecars = read_sidecars(path, recipe, whole=False, bundle_listed=listed)
    return Evidence(
        name=path.name,
        digest=Sha256.of_bytes(content),
        size=len(content),
        path=path,
        content=content,
        bundle=Content.of(signed),
        sidecars=sidecars,
        recipe=sidecars.recipe,
    )


def open_evidence(
    path: Path,
    recipe: Recipe | None = None,
    *,
    bundle: Path | bytes | None = None,
    hash_file: HashFile = hash_model,
) -> Evidence:
    """Collect evidence for a model file, or for the one model of a release's directory.

    Beside a model `x.onnx` the bundle is `x.onnx.sigstore.json`, else `.sigstore` or `.bundle`,
    unless one is given, as a path or as bytes; the other files are used where they are there. In a
    directory all are required. Without a `recipe` the release's own, beside the model, names its
    files. `hash_file` hashes the model, or knows its digest already.
    """
    whole = is_directory(path)
    model = find_model(path, None if recipe is None else recipe.names) if whole else path
    digest, size = hash_file(model)
    signed, listed = find_bundle(model, bundle)
    sidecars = read_sidecars(model, recipe, whole=whole, bundle_listed=listed)
    return Evidence(
        name=model.name,
        digest=digest,
        size=size,
        path=model,
        bundle=Content.of(signed),
        sidecars=sidecars,
        recipe=sidecars.recipe,
    )


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


def read_sidecars(
    model: Path, recipe: Recipe | None, *, whole: bool, bundle_listed: bool
) -> Sidecars:
    """Read the files beside a model; with `whole`, all that are not optional must be there."""
    found: dict[str, Content] = {}
    for row in sorted(layout.beside_the_model(), key=lambda row: not row.follows_model):
        if recipe is None and not row.follows_model:
            recipe = parse_own(found)
            if recipe is None:
                break
        name = row.beside(model.name) if recipe is None else row.name_in(recipe.names, model.name)
        path = model.with_name(name)
        if exists(path):
            found[row.role] = Content.of(read_evidence(path, row.limit_bytes))
        elif whole and not row.optional:
            raise CannotVerify(
                f"the release in {model.parent} lacks its {row.role}, {name}",
                hint="fetch the release again, or name the model's file to verify it alone",
            )
    return Sidecars(recipe, found, whole=whole, bundle_listed=bundle_listed)


def parse_own(files: Mapping[str, Content]) -> Recipe | None:
    """Read the recipe that a release has of itself, if it is at hand; it is evidence like any file.

    Raises `CannotVerify`.
    """
    own = files.get(layout.RECIPE.role)
    if own is None:
        return None
    from release_tool.recipes.catalog import parse_recipe  # noqa: PLC0415  (only without another)

    try:
        return parse_recipe(own.data, "the release's recipe")
    except InputError as error:
        raise CannotVerify(error.message, hint=error.hint) from error


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
    with reading_evidence():
        return read_limited(path, limit_bytes)


@contextmanager
def reading_evidence() -> Iterator[None]:
    """Make what cannot be read, or not within limits, a verdict that cannot be reached."""
    try:
        yield
    except InputError as error:
        raise CannotVerify(error.message, hint=error.hint) from error
    except OSError as error:
        raise CannotVerify(f"cannot read the file: {reason(error)}") from error

"""An exported release in a directory: the manifest, and every file with the digest it states.

Checks files against their manifest, and the manifest against the recipe's pins; signatures do not
exist yet at this point.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from os.path import lexists
from pathlib import Path

from msgspec.structs import replace

from release_tool.core.artifact import Artifact, Content
from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError
from release_tool.core.files import read_limited, write_whole
from release_tool.provenance.attribution import split_license
from release_tool.provenance.manifest import Manifest
from release_tool.provenance.pins import require_pinned, unpinned_claims
from release_tool.recipes import layout
from release_tool.recipes.recipe import Recipe
from release_tool.recipes.toml.writing import write_recipe

EXPORT_AGAIN = "run `release-tool export` again, and let nothing else write into that directory"


@dataclass(frozen=True, slots=True)
class ExportedRelease:
    """A directory whose model, licence and NOTICE are the ones that its manifest states.

    `contents` are the files beside the model by name, the manifest last: who goes on from here
    takes these bytes, and none that lie in the directory by then.
    """

    directory: Path
    manifest: Manifest
    model: Artifact
    contents: Mapping[str, Content]

    @property
    def files(self) -> tuple[Artifact, ...]:
        """Every file, the model first and the manifest last."""
        return (self.model, *(content.named(name) for name, content in self.contents.items()))


def open_exported(directory: Path, recipe: Recipe) -> ExportedRelease:
    """Open what an export, or an evaluation of it, left; raises `InputError` where it changed."""
    if not directory.is_dir():
        raise InputError(f"there is no directory {directory}", hint="run `release-tool export`")
    contents = read_beside(directory, recipe, {"export", "evaluate"})
    model = Artifact.of_file(directory / recipe.names.model)
    return hold_exported(directory, recipe, model, contents)


def read_beside(directory: Path, recipe: Recipe, made_by: Collection[str]) -> dict[str, Content]:
    """Read by name what some stages made beside the model; what is optional may be missing."""
    contents = {}
    for row in layout.beside_the_model():
        path = directory / row.name_in(recipe.names)
        if row.made_by in made_by and not (row.optional and not lexists(path)):
            contents[path.name] = Content.of(read_limited(path, row.limit_bytes))
    return contents


def hold_exported(
    directory: Path, recipe: Recipe, model: Artifact, contents: Mapping[str, Content]
) -> ExportedRelease:
    """Hold the files of an export against its manifest; raises `InputError`."""
    names = recipe.names
    contents = {name: contents[name] for name in sorted(contents, key=names.manifest.__eq__)}
    manifest = Manifest.parse(contents[names.manifest].data, recipe.formats.manifest_schema)
    stated = manifest.run_provenance.outputs.digests
    absent = set() if manifest.upstream.notice_present else {layout.NOTICE}
    expected = [row.name_in(names) for row in layout.FILES if row.stated and row not in absent]
    if absent and names.notice in contents:
        raise InputError(
            f"{names.notice} is there, and the manifest knows of none", hint=EXPORT_AGAIN
        )
    if manifest.outputs.onnx_path != names.model or set(stated) != set(expected):
        raise InputError(
            f"{names.manifest} does not describe {', '.join(expected)}", hint=EXPORT_AGAIN
        )
    exported = ExportedRelease(directory, manifest, model, contents)
    actual = {file.name: file.digest for file in exported.files}
    for name in expected:
        if actual.get(name) != stated[name]:
            found = actual.get(name, "not there")
            text = f"{name} is {found}, the manifest says {stated[name]}"
            raise InputError(text, hint=EXPORT_AGAIN)
    check_license(names.license, contents[names.license].data, manifest)
    if model.digest != manifest.outputs.onnx_sha256:
        raise InputError(f"{names.manifest} states two digests of the model", hint=EXPORT_AGAIN)
    return exported


def hold_pins(exported: ExportedRelease, recipe: Recipe, *, unpinned: bool) -> ExportedRelease:
    """Refuse an export of what the recipe does not pin, before it is signed.

    With `unpinned` it is taken, and its manifest is written anew to say so. The recipe beside it
    becomes the one that is named: what an export left there was written where upstream's code ran.
    Raises `InputError`.
    """
    manifest = exported.manifest
    if unpinned:
        manifest = replace(manifest, unpinned=unpinned_claims(manifest, recipe))
    require_pinned(manifest, recipe, unpinned=unpinned)
    made = {
        layout.RECIPE.name_in(recipe.names): write_recipe(recipe).encode(),
        recipe.names.manifest: manifest.encode(),
    }
    contents = dict(exported.contents)
    for name, data in made.items():
        if contents[name].data != data:
            write_whole(exported.directory / name, data)
            contents[name] = Content.of(data)
    return ExportedRelease(exported.directory, manifest, exported.model, contents)


def check_license(name: str, content: bytes, manifest: Manifest) -> None:
    """Require that the licence asset ends in the licence that was audited."""
    if Sha256.of_bytes(split_license(content)) != manifest.upstream.license_sha256:
        raise InputError(f"{name} does not hold upstream's audited licence", hint=EXPORT_AGAIN)

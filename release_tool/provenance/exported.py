"""An exported release in a directory: the manifest, and every file with the digest it states.

Checks files against their manifest, and the manifest against the recipe's pins; signatures do not
exist yet at this point.
"""

from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from release_tool.core.artifact import Artifact
from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError
from release_tool.core.files import read_limited, write_whole
from release_tool.core.limits import TEXT_LIMIT_BYTES
from release_tool.provenance.attribution import split_license
from release_tool.provenance.manifest import Manifest
from release_tool.provenance.pins import require_pinned, unpinned_claims
from release_tool.recipes import layout
from release_tool.recipes.recipe import Recipe

EXPORT_AGAIN = "run `release-tool export` again, and let nothing else write into that directory"


@dataclass(frozen=True, slots=True)
class ExportedRelease:
    """A directory whose model, licence and NOTICE are the ones that its manifest states."""

    directory: Path
    manifest: Manifest
    files: tuple[Artifact, ...]

    @property
    def model(self) -> Artifact:
        """The model, always the first file."""
        return self.files[0]


def open_exported(directory: Path, recipe: Recipe) -> ExportedRelease:
    """Open what `export` left behind; raises `InputError` where a file is not as measured."""
    if not directory.is_dir():
        raise InputError(f"there is no directory {directory}", hint="run `release-tool export`")
    names = recipe.names
    content = read_limited(directory / names.manifest, TEXT_LIMIT_BYTES)
    manifest = Manifest.parse(content, recipe.formats.manifest_schema)
    stated = manifest.run_provenance.outputs.digests
    absent = set() if manifest.upstream.notice_present else {layout.NOTICE}
    expected = [row.name_in(names) for row in layout.FILES if row.stated and row not in absent]
    if absent and (directory / names.notice).exists():
        raise InputError(
            f"{names.notice} is there, and the manifest knows of none", hint=EXPORT_AGAIN
        )
    if manifest.outputs.onnx_path != names.model or set(stated) != set(expected):
        raise InputError(
            f"{names.manifest} does not describe {', '.join(expected)}", hint=EXPORT_AGAIN
        )
    files = tuple(open_stated(directory / name, stated[name]) for name in expected)
    check_license(directory / names.license, manifest)
    if files[0].digest != manifest.outputs.onnx_sha256:
        raise InputError(f"{names.manifest} states two digests of the model", hint=EXPORT_AGAIN)
    described = Artifact.of_bytes(names.manifest, content)
    return ExportedRelease(directory, manifest, (*files, *unstated(directory, recipe), described))


def unstated(directory: Path, recipe: Recipe) -> list[Artifact]:
    """Describe what an export made beside the files that the manifest states, and itself."""
    paths = [
        directory / row.name_in(recipe.names)
        for row in layout.FILES
        if row.made_by == "export" and not row.stated and row is not layout.MANIFEST
    ]
    return [Artifact.of_file(path) for path in paths]


def hold_pins(exported: ExportedRelease, recipe: Recipe, *, unpinned: bool) -> ExportedRelease:
    """Refuse an export of what the recipe does not pin, before it is signed.

    With `unpinned` it is taken, and its manifest is written anew to say so. Raises `InputError`.
    """
    manifest = exported.manifest
    if unpinned:
        manifest = replace(manifest, unpinned=unpinned_claims(manifest, recipe))
    require_pinned(manifest, recipe, unpinned=unpinned)
    if manifest == exported.manifest:
        return exported
    content = manifest.encode()
    write_whole(exported.directory / recipe.names.manifest, content)
    described = Artifact.of_bytes(recipe.names.manifest, content)
    return ExportedRelease(exported.directory, manifest, (*exported.files[:-1], described))


def open_stated(path: Path, stated: Sha256) -> Artifact:
    """Describe a file whose digest must be the one that the manifest states."""
    artifact = Artifact.of_file(path)
    if artifact.digest != stated:
        raise InputError(
            f"{path.name} is {artifact.digest}, the manifest says {stated}", hint=EXPORT_AGAIN
        )
    return artifact


def check_license(path: Path, manifest: Manifest) -> None:
    """Require that the licence asset ends in the licence that was audited."""
    text = split_license(read_limited(path, TEXT_LIMIT_BYTES))
    if Sha256.of_bytes(text) != manifest.upstream.license_sha256:
        raise InputError(f"{path.name} does not hold upstream's audited licence", hint=EXPORT_AGAIN)

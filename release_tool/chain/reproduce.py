"""Makes a release again from its sources, and compares every file that is a function of them."""

from collections.abc import Mapping
from pathlib import Path

from release_tool.chain.earlier import installed_toolchain
from release_tool.chain.export import export_release
from release_tool.compare.claims import claims_of
from release_tool.compare.graph import changes_between
from release_tool.core.artifact import Artifact
from release_tool.core.documents import parse_json_object
from release_tool.core.errors import GateError
from release_tool.core.files import read_limited, temporary_directory
from release_tool.core.limits import TEXT_LIMIT_BYTES
from release_tool.core.progress import SILENT, Progress
from release_tool.gates.difference import find_difference
from release_tool.provenance.exported import hold_pins, open_exported
from release_tool.provenance.manifest import Manifest
from release_tool.provenance.pins import unpinned_claims
from release_tool.recipes.recipe import Recipe
from release_tool.upstream.sources import Source


def reproduce_release(
    directory: Path,
    recipe: Recipe,
    source: Source,
    environment: Mapping[str, str],
    *,
    progress: Progress = SILENT,
) -> tuple[Artifact, ...]:
    """Make the release in `directory` again and return its files, each the same byte for byte.

    Raises `GateError` that names the first difference, or before that what of the toolchain or of
    the pins is another here.
    """
    stated = open_exported(directory, recipe).manifest
    check_pins(stated, recipe)
    check_toolchain(stated.toolchain, installed_toolchain())
    with temporary_directory() as place:
        replay = stated.gates.replay != "not run"
        made = export_release(
            source, recipe, place, environment, replay=replay, progress=progress
        ).release
        with progress.stage("compare"):
            files = hold_pins(made, recipe, unpinned=bool(stated.unpinned)).files
            for file in files:
                compare_file(file, place / file.name, directory / file.name)
                progress.note(f"{file.name} is the same")
    return files


def check_pins(stated: Manifest, recipe: Recipe) -> None:
    """Refuse a release of what this recipe does not pin: nothing would come out the same."""
    unpinned = unpinned_claims(stated, recipe)
    if unpinned:
        raise GateError(
            f"the release was made of another {', '.join(unpinned)} than {recipe.name} pins",
            hint="name the recipe that it was made by with --recipe",
        )


def check_toolchain(stated: Mapping[str, str], here: Mapping[str, str]) -> None:
    """Refuse to try with another toolchain, and say how to get the one that is needed."""
    other = changes_between(dict(stated), dict(here))
    if not other:
        return
    parts = ", ".join(f"{name} {ours or 'none'} (here {theirs})" for name, ours, theirs in other)
    python = ".".join(stated.get("python", "3").split(".")[:2])
    packages = [
        f"{name}=={version.partition('+')[0]}"
        for name, version in stated.items()
        if name != "python"
    ]
    raise GateError(
        f"the release was made with {parts}",
        hint=f"python{python} -m venv second && second/bin/pip install {' '.join(packages)}, with "
        f"Python {stated.get('python')}; then install this tool there too, as docs/install.md says",
    )


def compare_file(made: Artifact, ours: Path, released: Path) -> None:
    """Refuse a file that did not come out the same; say where it differs first."""
    if Artifact.of_file(released).digest == made.digest:
        return
    place = (
        find_difference(ours, released) if ours.suffix == ".onnx" else first_claim(ours, released)
    )
    raise GateError(
        f"not reproduced: {made.name} differs, first at {place}",
        hint="the toolchain is the same, so the sources were not, or the file was made otherwise",
    )


def first_claim(ours: Path, released: Path) -> str:
    """Name the first key in which two JSON files differ, or the first byte of other files."""
    contents = [read_limited(path, TEXT_LIMIT_BYTES) for path in (ours, released)]
    if ours.suffix == ".json":
        made, there = (claims_of(parse_json_object(each, ours.name)) for each in contents)
        for name, mine, theirs in changes_between(made, there):
            return f"{name}: {theirs!r}, made again it is {mine!r}"
    pairs = zip(*contents, strict=False)
    at = next((n for n, (a, b) in enumerate(pairs) if a != b), min(map(len, contents)))
    return f"byte {at}"

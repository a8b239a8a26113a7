"""An export that an earlier run left behind, proved again from its bytes.

The state is the output directory and no other file.
"""

import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from runpy import run_path

from release_tool.checkpoint.reader import Checkpoint
from release_tool.core.digest import Sha256
from release_tool.core.errors import GateError, InputError
from release_tool.export.child import NEEDED
from release_tool.gates.proof import Proof, prove_export
from release_tool.provenance.exported import ExportedRelease, open_exported
from release_tool.recipes import layout
from release_tool.recipes.recipe import Recipe


def installed_toolchain() -> dict[str, str]:
    """Name the versions that an export would have here, without importing any of them."""
    try:
        packages = {name: version(name) for name in NEEDED}
    except PackageNotFoundError:
        return {}
    return {"python": platform.python_version(), **packages, "torch": torch_version()}


def torch_version() -> str:
    """Read what torch calls itself; its build (`+cpu`) stands there, in its metadata not always."""
    package = find_spec("torch")
    if package is None or package.origin is None:
        return ""
    said: str = run_path(str(Path(package.origin).with_name("version.py")))["__version__"]
    return said


def prove_earlier_export(
    out: Path, recipe: Recipe, checkpoint: Checkpoint
) -> tuple[ExportedRelease, Proof] | None:
    """Return an export that is in `out` already if it is the one that would be made again.

    Only a pinned graph can tell: with it the model's every byte is proved to be skeleton +
    checkpoint. Whether the manifest says the same of it is the caller's to compare.
    """
    toolchain = installed_toolchain()
    if recipe.skeleton_for(toolchain.get("torch", "")) is None:
        return None
    try:
        exported = open_exported(out, recipe)
        if exported.manifest.toolchain != toolchain:
            return None
        claimed = exported.manifest.outputs.skeleton_sha256
        model, torch = out / recipe.names.model, toolchain["torch"]
        return exported, prove_export(model, checkpoint, recipe, torch=torch, claimed=claimed)
    except (InputError, GateError):
        return None


def drop_stale(new: ExportedRelease, recipe: Recipe) -> None:
    """Remove from the directory what belongs to other bytes: bundles, an evaluation, a NOTICE."""
    out, names = new.directory, recipe.names
    if names.notice not in new.contents:
        (out / names.notice).unlink(missing_ok=True)
    for file in new.files:
        try:
            same = Sha256.of_file(out / file.name) == file.digest
        except InputError:
            same = False
        if not same:
            for row in layout.FILES:
                if row.made_by != "export":
                    (out / row.name_in(names)).unlink(missing_ok=True)

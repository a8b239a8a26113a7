"""Makes and proves an export, or proves that an earlier one is what would be made again."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from release_tool.chain.earlier import drop_stale, prove_earlier_export
from release_tool.chain.sidecars import make_sidecars
from release_tool.checkpoint.reader import Checkpoint, open_checkpoint
from release_tool.core.artifact import Artifact
from release_tool.core.errors import GateError
from release_tool.core.files import install_files, staging_directory, write_whole
from release_tool.core.progress import SILENT, Progress
from release_tool.evaluate.gate import hold_replay
from release_tool.export.run import Export, export_model
from release_tool.gates.proof import Proof, prove_export
from release_tool.provenance.exported import (
    EXPORT_AGAIN,
    ExportedRelease,
    hold_exported,
    read_beside,
)
from release_tool.recipes.recipe import Recipe
from release_tool.upstream.checkout import Checkout, open_checkout
from release_tool.upstream.sources import Source


@dataclass(frozen=True, slots=True)
class Outcome:
    """An export on disk and what was proved of it; `export` is None where it was reused."""

    release: ExportedRelease
    export: Export | None
    proof: Proof


def export_release(
    source: Source,
    recipe: Recipe,
    out: Path,
    environment: Mapping[str, str],
    *,
    full_parity: bool = False,
    reuse: bool = False,
    replay: bool = True,
    progress: Progress = SILENT,
) -> Outcome:
    """Audit, export, prove, and only then put model, licence and manifest into `out`.

    With `reuse` an export that is there already is proved again instead of made again. Without
    `replay` upstream's published results are not made again, and the manifest says so.
    """
    with progress.stage("audit"):
        checkout = open_checkout(source.upstream, recipe)
        checkpoint = open_checkpoint(source.checkpoint, recipe, pinned=source.pinned)
        progress.note(f"upstream {checkout.commit}, {len(checkpoint.tensors)} tensors")
    if reuse:
        earlier = reuse_export(out, recipe, checkout, checkpoint, replay=replay, progress=progress)
        if earlier is not None:
            progress.note("reusing the export, it is proved to be what would be made again")
            return earlier
    with staging_directory(out) as temporary:
        model = temporary / recipe.names.model
        with progress.stage("export"):
            export = export_model(
                checkout,
                checkpoint,
                recipe,
                model,
                full_parity=full_parity,
                progress=progress,
                environment=environment,
            )
        with progress.stage("gates"):
            torch = dict(export.toolchain)["torch"]
            proof = prove_export(model, checkpoint, recipe, torch=torch, claimed=export.skeleton)
            for measured in export.parity.outputs:
                progress.note(str(measured))
        replayed = replay and hold_replay(model, recipe.replay, checkout.published, progress)
        with progress.stage("manifest"):
            proved = describe_proved(model, export.model)
            contents = make_sidecars(
                recipe, checkout, checkpoint, proof, proved, export.toolchain, replayed=replayed
            )
            exported = hold_exported(out, recipe, proved, contents)
            for name, content in contents.items():
                write_whole(temporary / name, content.data)
        drop_stale(exported, recipe)
        install_files(temporary, out, last=recipe.names.manifest)
    # An earlier evaluation of this very model is still there.
    kept = read_beside(out, recipe, {"evaluate"})
    exported = hold_exported(out, recipe, proved, {**kept, **contents})
    return Outcome(exported, export, proof)


def describe_proved(path: Path, made: Artifact) -> Artifact:
    """Describe a model after its gates, which must be the one that the worker `made`."""
    proved = Artifact.of_file(path)
    if proved != made:
        raise GateError(
            f"the model changed while it was proved: it is {proved.digest}, the worker made "
            f"{made.digest}",
            hint=EXPORT_AGAIN,
        )
    return proved


def reuse_export(
    out: Path,
    recipe: Recipe,
    checkout: Checkout,
    checkpoint: Checkpoint,
    *,
    replay: bool,
    progress: Progress,
) -> Outcome | None:
    """Return an earlier export whose every file is what would be made again, or None."""
    earlier = prove_earlier_export(out, recipe, checkpoint)
    if earlier is None:
        return None
    exported, proof = earlier
    toolchain = tuple(exported.manifest.toolchain.items())
    sidecars = make_sidecars(
        recipe, checkout, checkpoint, proof, exported.model, toolchain, replayed=replay
    )
    if any(exported.contents.get(name) != content for name, content in sidecars.items()):
        return None
    if replay:
        hold_replay(out / recipe.names.model, recipe.replay, checkout.published, progress)
    return Outcome(exported, None, proof)

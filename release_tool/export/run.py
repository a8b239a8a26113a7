"""Exports an audited checkout and a checkpoint to ONNX, in a child process.

Nothing of torch is imported here, and nothing the child says is believed: the gates come after.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from release_tool.checkpoint.reader import Checkpoint
from release_tool.core.artifact import Artifact
from release_tool.core.digest import Sha256
from release_tool.core.errors import GateError
from release_tool.core.files import new_file, temporary_directory, writable
from release_tool.core.progress import SILENT, Progress
from release_tool.export.child import (
    FULL_TIMEOUT_SECONDS,
    TIMEOUT_SECONDS,
    check_toolchain,
    run_worker,
)
from release_tool.export.job import MODEL, MODULE, Job
from release_tool.export.measured import ParityReport
from release_tool.export.worker import ERRORS
from release_tool.recipes.metadata import make_metadata
from release_tool.recipes.recipe import Recipe
from release_tool.upstream.checkout import Checkout

STEPS_BEFORE_PARITY = 4


@dataclass(frozen=True, slots=True)
class Export:
    """A model whose numbers agree with PyTorch's; contract and lineage are still to be proved.

    `skeleton` is the digest of its graph as the worker states it.
    """

    model: Artifact
    skeleton: Sha256
    parity: ParityReport
    toolchain: tuple[tuple[str, str], ...]


def export_model(
    checkout: Checkout,
    checkpoint: Checkpoint,
    recipe: Recipe,
    out: Path,
    *,
    full_parity: bool = False,
    progress: Progress = SILENT,
    environment: Mapping[str, str] = os.environ,
) -> Export:
    """Write the model to `out`, whole or not at all, once parity holds.

    Raises `InputError` for a checkpoint that is not the network's, `GateError` where a gate
    refuses, `UsageError` where torch, onnx or onnxruntime is not installed.
    """
    check_toolchain()
    job = make_job(checkpoint, recipe, full_parity=full_parity)
    with new_file(out) as temporary, temporary_directory() as private:
        temporary.touch()  # a directory that cannot be written is found out now, not after the work
        with writable(private):
            job.write(private)
            (private / MODULE).write_bytes(checkout.module)
        report = work(job, private, progress, environment)
        exported = describe(private / MODEL, report, out.name)
        shutil.copyfile(private / MODEL, temporary)
        if Artifact.of_file(temporary, out.name) != exported.model:
            raise GateError("the model changed on its way into the output directory")
    return exported


def work(
    job: Job, private: Path, progress: Progress, environment: Mapping[str, str]
) -> dict[str, Any]:
    """Let the worker do the job; raises the expected failure that it reports."""
    sizes = len(job.parity.float32_sizes) + len(job.parity.float64_sizes)
    sizes += len(job.parity.full_sizes) if job.full_parity else 0
    timeout = FULL_TIMEOUT_SECONDS if job.full_parity else TIMEOUT_SECONDS
    with progress.bar("export", STEPS_BEFORE_PARITY + sizes) as advance:
        report = run_worker(private, environment, timeout, advance)
    if "error" in report:
        raise ERRORS[report["error"]](report["message"], hint=report["hint"])
    return report


def describe(model: Path, report: dict[str, Any], name: str) -> Export:
    """Put together what the worker reports; the model's digest is taken from its bytes."""
    return Export(
        model=Artifact.of_file(model, name),
        skeleton=Sha256.parse(report["skeleton"]),
        parity=ParityReport.from_json(report["parity"]),
        toolchain=tuple(report["toolchain"].items()),
    )


def make_job(checkpoint: Checkpoint, recipe: Recipe, *, full_parity: bool) -> Job:
    """Collect what the worker has to know."""
    graph = recipe.graph
    return Job(
        class_name=recipe.upstream.class_name,
        module_path=recipe.upstream.module_path,
        checkpoint=str(checkpoint.path.absolute()),
        checkpoint_sha256=str(checkpoint.digest),
        float_tensors=recipe.checkpoint.tensors,
        opset=graph.opset,
        input_name=graph.input_name,
        input_channels=graph.input_channels,
        output_name=graph.output_name,
        selected_output=graph.selected_output,
        height=graph.height,
        width=graph.width,
        max_model_bytes=graph.max_model_bytes,
        metadata=make_metadata(recipe, checkpoint.digest),
        parity=recipe.parity,
        full_parity=full_parity,
    )

"""Exports an audited checkout and a checkpoint to ONNX, in a child process.

Nothing of torch is imported here, and nothing the child says is believed: the gates come after.
"""

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from release_tool.checkpoint.reader import Checkpoint
from release_tool.core.artifact import Artifact
from release_tool.core.digest import Sha256
from release_tool.core.errors import GateError
from release_tool.core.files import new_file, read_limited, temporary_directory, writable
from release_tool.core.progress import SILENT, Progress
from release_tool.export.child import (
    FULL_TIMEOUT_SECONDS,
    NEEDED,
    TIMEOUT_SECONDS,
    check_installed,
    run_worker,
)
from release_tool.export.job import DRAWN, MODEL, MODULE, Job, JobInput
from release_tool.export.measured import ParityReport
from release_tool.export.worker import ERRORS
from release_tool.recipes.metadata import make_metadata
from release_tool.recipes.recipe import ParityInput, Recipe
from release_tool.upstream.checkout import Checkout

STEPS_BEFORE_PARITY = {"export": 4, "parity": 2}
STEPS_OF_AN_INPUT = 3


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
    """Write the model to `out`, whole or not at all, once parity holds; see `measure_model`.

    Raises `InputError` for a checkpoint that is not the network's, `GateError` where a gate
    refuses, `UsageError` where torch, onnx or onnxruntime is not installed.
    """
    job = make_job("export", checkpoint, recipe, full_parity=full_parity)
    check_toolchain(recipe)
    with new_file(out) as temporary, temporary_directory() as private:
        temporary.touch()  # a directory that cannot be written is found out now, not after the work
        prepare(private, job, checkout)
        report = work(job, private, progress, environment, full=full_parity)
        exported = describe(private / MODEL, report, out.name)
        shutil.copyfile(private / MODEL, temporary)
        if Artifact.of_file(temporary, out.name) != exported.model:
            raise GateError("the model changed on its way into the output directory")
    return exported


def measure_model(
    model: Path,
    checkout: Checkout,
    checkpoint: Checkpoint,
    recipe: Recipe,
    *,
    full_parity: bool = False,
    progress: Progress = SILENT,
    environment: Mapping[str, str] = os.environ,
) -> ParityReport:
    """Run the parity gate alone, on any ONNX file; nothing is written.

    Raises as `export_model` does.
    """
    job = make_job("parity", checkpoint, recipe, full_parity=full_parity)
    check_toolchain(recipe)
    content = read_limited(model, recipe.graph.max_model_bytes)
    with temporary_directory() as private:
        prepare(private, job, checkout)
        with writable(private):
            (private / MODEL).write_bytes(content)
        report = work(job, private, progress, environment, full=full_parity)
    return ParityReport.from_json(report.get("parity"))


def check_toolchain(recipe: Recipe) -> None:
    """Check that what the worker imports is installed; raises `UsageError`."""
    check_installed((*NEEDED, "PIL") if recipe.parity.pictures else NEEDED)


def prepare(private: Path, job: Job, checkout: Checkout) -> None:
    """Put into the worker's directory what it works on, in the bytes that were audited."""
    with writable(private):
        job.write(private)
        (private / MODULE).write_bytes(checkout.module)
        for item in job.inputs:
            if item.file is not None:
                (private / item.file).write_bytes(checkout.pictures[item.source])


def work(
    job: Job, private: Path, progress: Progress, environment: Mapping[str, str], *, full: bool
) -> dict[str, Any]:
    """Let the worker do the job; raises the expected failure that it reports."""
    timeout = FULL_TIMEOUT_SECONDS if full else TIMEOUT_SECONDS
    steps = STEPS_BEFORE_PARITY[job.task] + STEPS_OF_AN_INPUT * len(job.inputs)
    with progress.bar(job.task, steps) as advance:
        report = run_worker(private, environment, timeout, advance)
    if "error" in report:
        raise ERRORS[report["error"]](report["message"], hint=report["hint"])
    return report


def describe(model: Path, report: dict[str, Any], name: str) -> Export:
    """Put together what the worker reports; the model's digest is taken from its bytes."""
    return Export(
        model=Artifact.of_file(model, name),
        skeleton=Sha256.parse(report["skeleton"]),
        parity=ParityReport.from_json(report.get("parity")),
        toolchain=tuple(report["toolchain"].items()),
    )


def make_job(
    task: Literal["export", "parity"], checkpoint: Checkpoint, recipe: Recipe, *, full_parity: bool
) -> Job:
    """Collect what the worker has to know."""
    graph, parity = recipe.graph, recipe.parity
    return Job(
        task=task,
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
        inputs=make_inputs(parity.chosen(full=full_parity)),
        bounds=parity.bounds,
    )


def make_inputs(inputs: Iterable[ParityInput]) -> tuple[JobInput, ...]:
    """Say where in its directory the worker finds each picture."""
    made = []
    for number, item in enumerate(inputs):
        if item.picture is None:
            made.append(JobInput(DRAWN, item.height, item.width, None))
        else:
            made.append(JobInput(item.picture.path, item.height, item.width, f"picture-{number}"))
    return tuple(made)

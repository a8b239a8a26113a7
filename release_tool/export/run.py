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
from release_tool.core.files import new_file, read_limited, temporary_directory, writable
from release_tool.core.progress import SILENT, Progress
from release_tool.export.child import (
    FULL_TIMEOUT_SECONDS,
    NEEDED,
    TIMEOUT_SECONDS,
    check_installed,
    run_worker,
)
from release_tool.export.importing import ADAPTER_FILE
from release_tool.export.job import MODEL, Code, Job, JobSample
from release_tool.export.measured import ParityReport
from release_tool.export.worker import ERRORS
from release_tool.recipes.metadata import make_metadata
from release_tool.recipes.parity import Sample
from release_tool.recipes.recipe import Recipe
from release_tool.upstream.checkout import Checkout

STEPS_BEFORE_PARITY = {"export": 4, "parity": 2, "look": 3}
STEPS_OF_A_SAMPLE = 3


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

    Whoever takes it from there compares it with the digest that is returned.
    Raises `InputError` for a checkpoint that is not the network's, `GateError` where a gate
    refuses, `UsageError` where torch, onnx or onnxruntime is not installed.
    """
    job = make_job("export", checkout, checkpoint, recipe, full_parity=full_parity)
    check_toolchain(recipe)
    with new_file(out) as temporary, temporary_directory() as private:
        temporary.touch()  # a directory that cannot be written is found out now, not after the work
        prepare(private, job, checkout)
        report = work(job, private, progress, environment, full=full_parity)
        exported = describe(private / MODEL, report, out.name)
        shutil.copyfile(private / MODEL, temporary)
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
    job = make_job("parity", checkout, checkpoint, recipe, full_parity=full_parity)
    check_toolchain(recipe)
    content = read_limited(model, recipe.contract.limits.max_model_bytes)
    with temporary_directory() as private:
        prepare(private, job, checkout)
        with writable(private):
            (private / MODEL).write_bytes(content)
        report = work(job, private, progress, environment, full=full_parity)
    return ParityReport.from_json(report.get("parity"))


def check_toolchain(recipe: Recipe) -> None:
    """Check that what the worker imports is installed; raises `UsageError`."""
    images = {spec.name for spec in recipe.inputs if spec.drawn == "image"}
    pictures = any(name in images for each in recipe.parity.samples for name, _ in each.files)
    check_installed((*NEEDED, "PIL") if pictures else NEEDED)


def prepare(private: Path, job: Job, checkout: Checkout) -> None:
    """Put into the worker's directory what it works on, in the bytes that were audited."""
    contents = {**checkout.modules, **checkout.files}
    if checkout.adapter is not None:
        contents[ADAPTER_FILE] = checkout.adapter
    store(private, job, contents)


def store(private: Path, job: Job, contents: Mapping[str, bytes]) -> None:
    """Put the job and the files that it names into the worker's directory."""
    with writable(private):
        job.write(private)
        for path, content in contents.items():
            (private / stored_as(path)).write_bytes(content)


def work(
    job: Job, private: Path, progress: Progress, environment: Mapping[str, str], *, full: bool
) -> dict[str, Any]:
    """Let the worker do the job; raises the expected failure that it reports."""
    timeout = FULL_TIMEOUT_SECONDS if full else TIMEOUT_SECONDS
    steps = STEPS_BEFORE_PARITY[job.task] + STEPS_OF_A_SAMPLE * len(job.samples)
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


def stored_as(path: str) -> str:
    """Return under which name in the private directory a file of the checkout lies."""
    return f"file-{Sha256.of_bytes(path.encode()).hex}"


def make_job(
    task: Literal["export", "parity"],
    checkout: Checkout,
    checkpoint: Checkpoint,
    recipe: Recipe,
    *,
    full_parity: bool,
) -> Job:
    """Collect what the worker has to know."""
    paths = [*checkout.modules, *([ADAPTER_FILE] if checkout.adapter is not None else [])]
    return Job(
        task=task,
        code=Code(
            folder=recipe.upstream.folder,
            modules={path: stored_as(path) for path in paths},
            others=checkout.others,
            distributions=dict(recipe.upstream.distributions),
        ),
        network=recipe.network,
        adapter=recipe.adapter,
        working_size=recipe.working_size,
        checkpoint=str(checkpoint.path.absolute()),
        checkpoint_sha256=str(checkpoint.digest),
        state_dict=recipe.checkpoint.state_dict,
        tensors=recipe.checkpoint.tensors,
        inputs=recipe.inputs,
        outputs=recipe.outputs,
        axes=dict(recipe.axes),
        contract=recipe.contract,
        metadata=make_metadata(recipe, checkpoint.digest),
        samples=make_samples(recipe.parity.chosen(full=full_parity)),
        bounds=recipe.parity.bounds,
    )


def make_samples(samples: Iterable[Sample]) -> tuple[JobSample, ...]:
    """Say where in its directory the worker finds each file."""
    return tuple(
        JobSample(
            label=each.label,
            number=number,
            axes=dict(each.axes),
            files={name: stored_as(file.path) for name, file in each.files},
        )
        for number, each in enumerate(samples)
    )

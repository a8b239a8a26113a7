"""Asks the worker what a network is, before anything pins it, and believes it as little."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from release_tool.checkpoint.reader import Checkpoint
from release_tool.core.errors import GateError, InputError
from release_tool.core.files import temporary_directory
from release_tool.core.progress import SILENT, Progress
from release_tool.export.child import NEEDED, check_installed
from release_tool.export.importing import ADAPTER_FILE
from release_tool.export.job import Code, Job
from release_tool.export.run import store, stored_as, work
from release_tool.recipes.contract import ContractSpec
from release_tool.recipes.network import AdapterPin, InputSpec, NetworkCall, OutputSpec
from release_tool.recipes.parity import ParityBounds


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about: a network, its inputs, and the names of its outputs as far as known.

    `folder` is where packages begin; `adapter` comes with the bytes of its file.
    """

    folder: str
    modules: Mapping[str, bytes]
    network: NetworkCall
    inputs: tuple[InputSpec, ...]
    outputs: tuple[OutputSpec, ...]
    contract: ContractSpec
    distributions: tuple[tuple[str, str], ...] = ()
    adapter: AdapterPin | None = None
    adapter_file: bytes = b""


@dataclass(frozen=True, slots=True)
class SeenNetwork:
    """What the network is: the files that ran, outputs with shapes, and sizes that it takes.

    `prefix` stands before its names in the checkpoint; `remarks` are for a person.
    """

    ran: tuple[str, ...]
    prefix: str
    tensors: int
    unused: tuple[str, ...]
    outputs: tuple[OutputSpec, ...]
    sizes: tuple[dict[str, int], ...]
    remarks: tuple[str, ...]


def look_at_network(
    question: Question,
    checkpoint: Checkpoint,
    environment: Mapping[str, str],
    *,
    progress: Progress = SILENT,
) -> SeenNetwork:
    """Build, run and trace a network in a child process; raises as an export does."""
    check_installed(NEEDED)
    contents = dict(question.modules)
    if question.adapter is not None:
        contents[ADAPTER_FILE] = question.adapter_file
    job = make_job(question, checkpoint, list(contents))
    with temporary_directory() as private:
        store(private, job, contents)
        report = work(job, private, progress, environment, full=False)
    return read_report(report)


def read_report(report: dict[str, Any]) -> SeenNetwork:
    """Read what the worker found; raises `GateError` for anything else."""
    try:
        return msgspec.convert(report, SeenNetwork)
    except (InputError, msgspec.ValidationError) as error:
        raise GateError(f"the worker describes no network: {error}") from error


def make_job(question: Question, checkpoint: Checkpoint, paths: list[str]) -> Job:
    """Collect what the worker has to know; of what an export needs beside there is nothing yet."""
    return Job(
        task="look",
        code=Code(
            folder=question.folder,
            modules={path: stored_as(path) for path in paths},
            others=(),
            distributions=dict(question.distributions),
        ),
        network=question.network,
        adapter=question.adapter,
        checkpoint=str(checkpoint.path.absolute()),
        checkpoint_sha256=str(checkpoint.digest),
        state_dict=checkpoint.state_dict.place,
        tensors=0,
        inputs=question.inputs,
        outputs=question.outputs,
        axes={},
        contract=question.contract,
        metadata={},
        samples=(),
        bounds=ParityBounds(),
        working_size=None,
    )

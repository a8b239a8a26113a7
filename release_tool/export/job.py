"""What the parent asks of the worker, as one JSON file in their private directory.

Nothing secret and nothing unchecked goes in: the modules and the checkpoint were audited before.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import msgspec

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError
from release_tool.core.files import read_limited
from release_tool.recipes.contract import ContractSpec
from release_tool.recipes.network import AdapterPin, InputSpec, NetworkCall, OutputSpec
from release_tool.recipes.parity import ParityBounds
from release_tool.recipes.recipe import StateDictPlace
from release_tool.recipes.working import WorkingSize

MAX_JOB_BYTES = 16 * 1024 * 1024
JOB, MODEL, REPORT = "job.json", "model.onnx", "report.json"


@dataclass(frozen=True, slots=True)
class JobSample:
    """A sample of the parity gate; `files` are by input, as named in the private directory."""

    label: str
    number: int
    axes: dict[str, int]
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class Code:
    """What may be executed: `modules` are by path, as named in the private directory.

    `others` are the paths of Python files of the checkout that must not be.
    """

    folder: str
    modules: dict[str, str]
    others: tuple[str, ...]
    distributions: dict[str, str]


@dataclass(frozen=True, slots=True)
class Job:
    """One export, or the parity of a model that is there: what is run, and on what."""

    task: Literal["export", "parity", "look"]
    code: Code
    network: NetworkCall
    adapter: AdapterPin | None
    working_size: WorkingSize | None
    checkpoint: str
    checkpoint_sha256: str
    state_dict: StateDictPlace
    tensors: int
    inputs: tuple[InputSpec, ...]
    outputs: tuple[OutputSpec, ...]
    axes: dict[str, int]
    contract: ContractSpec
    metadata: dict[str, str]
    samples: tuple[JobSample, ...]
    bounds: ParityBounds

    def write(self, directory: Path) -> None:
        """Write the job where the worker looks for it."""
        (directory / JOB).write_bytes(msgspec.json.encode(self, enc_hook=str))

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read the job in the worker."""
        try:
            content = read_limited(directory / JOB, MAX_JOB_BYTES)
            return msgspec.json.decode(content, type=cls, dec_hook=lambda _, it: Sha256.parse(it))
        except msgspec.MsgspecError as error:
            raise InputError(f"the job is malformed: {error}") from error

    @property
    def digest(self) -> Sha256:
        """The digest that the checkpoint's file must have."""
        return Sha256.parse(self.checkpoint_sha256)

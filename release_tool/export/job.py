"""What the parent asks of the worker, as one JSON file in their private directory.

Nothing secret and nothing unchecked goes in: the module and the checkpoint were audited before.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import msgspec

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError
from release_tool.core.files import read_limited
from release_tool.recipes.recipe import ParityBounds

MAX_JOB_BYTES = 1024 * 1024
JOB, MODULE, MODEL, REPORT = "job.json", "upstream_module.py", "model.onnx", "report.json"
DRAWN = "drawn"


@dataclass(frozen=True, slots=True)
class JobInput:
    """An input of the parity gate; `file` is the picture's name in the private directory."""

    source: str
    height: int
    width: int
    file: str | None


@dataclass(frozen=True, slots=True)
class Job:
    """One export, or the parity of a model that is there: names, sizes, where the checkpoint is."""

    task: Literal["export", "parity"]
    class_name: str
    module_path: str
    checkpoint: str
    checkpoint_sha256: str
    float_tensors: int
    opset: int
    input_name: str
    input_channels: int
    output_name: str
    selected_output: int
    height: int
    width: int
    max_model_bytes: int
    metadata: dict[str, str]
    inputs: tuple[JobInput, ...]
    bounds: ParityBounds

    def write(self, directory: Path) -> None:
        """Write the job where the worker looks for it."""
        (directory / JOB).write_bytes(msgspec.json.encode(self))

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read the job in the worker."""
        try:
            return msgspec.json.decode(read_limited(directory / JOB, MAX_JOB_BYTES), type=cls)
        except msgspec.MsgspecError as error:
            raise InputError(f"the job is malformed: {error}") from error

    @property
    def digest(self) -> Sha256:
        """The digest that the checkpoint's file must have."""
        return Sha256.parse(self.checkpoint_sha256)

    @property
    def names(self) -> tuple[str, str]:
        """The model's input and output."""
        return self.input_name, self.output_name

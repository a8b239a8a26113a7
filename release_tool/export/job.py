"""What the parent asks of the worker, as one JSON file in their private directory.

Nothing secret and nothing unchecked goes in: the module and the checkpoint were audited before.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from release_tool.core.digest import Sha256
from release_tool.core.documents import encode_json, parse_json_object
from release_tool.core.files import read_limited
from release_tool.recipes.recipe import ParitySpec

MAX_JOB_BYTES = 1024 * 1024
JOB, MODULE, MODEL, REPORT = "job.json", "upstream_module.py", "model.onnx", "report.json"


@dataclass(frozen=True, slots=True)
class Job:
    """One export: names, sizes, where the checkpoint lies and what it must be."""

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
    parity: ParitySpec
    full_parity: bool

    def write(self, directory: Path) -> None:
        """Write the job where the worker looks for it."""
        (directory / JOB).write_bytes(encode_json(asdict(self)))

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read the job in the worker."""
        fields = parse_json_object(read_limited(directory / JOB, MAX_JOB_BYTES), "the job")
        spec = fields.pop("parity")
        for name in ("float64_sizes", "float32_sizes", "full_sizes"):
            spec[name] = tuple((height, width) for height, width in spec[name])
        return cls(**fields, parity=ParitySpec(**spec))

    @property
    def digest(self) -> Sha256:
        """The digest that the checkpoint's file must have."""
        return Sha256.parse(self.checkpoint_sha256)

"""The manifest: what was exported from what, by which toolchain, and what the gates found.

Holds its shape, its one canonical encoding and its schema; it computes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Final, Literal, Self, TypeVar

from pydantic import (
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)

from release_tool.core.digest import Sha256
from release_tool.core.documents import JsonObject, encode_json, parse_json_object
from release_tool.core.errors import InputError
from release_tool.core.names import CommitId

MANIFEST_SCHEMA: Final = "u2netp-mirror-export-manifest-v1"
RUN_PROVENANCE_SCHEMA: Final = "ai-run-provenance-v1"
MANIFEST_LIMIT_BYTES = 1024 * 1024
MAX_TEXT = 2000

T = TypeVar("T")


def reader(kind: type[T], parse: Callable[[str], T]) -> PlainValidator:
    """Read a value of `core` from text for pydantic, which wants a ValueError where it is none."""

    def read(value: object) -> T:
        if isinstance(value, kind):
            return value
        try:
            return parse(str(value))
        except InputError as error:
            raise ValueError(str(error)) from error

    return PlainValidator(read)


def text_schema(pattern: str) -> WithJsonSchema:
    """Describe a value that is text of a certain form."""
    return WithJsonSchema({"type": "string", "pattern": pattern})


Digest = Annotated[
    Sha256, reader(Sha256, Sha256.parse), PlainSerializer(str), text_schema("^sha256:[0-9a-f]{64}$")
]
Commit = Annotated[
    CommitId, reader(CommitId, CommitId.parse), PlainSerializer(str), text_schema("^[0-9a-f]{40}$")
]
Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
Count = Annotated[int, Field(ge=0)]
Size = tuple[Count, Count]
STRICT = ConfigDict(extra="forbid", strict=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamClaim:
    """What the export started from; paths are relative to the upstream tree."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    repo: Text
    commit: Commit
    module_path: Text
    module_sha256: Digest
    checkpoint_path: Text
    checkpoint_sha256: Digest
    checkpoint_tensors_sha256: Digest
    license_path: Text
    license_sha256: Digest
    notice_present: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportClaim:
    """The interface of the model; `height` and `width` are the traced example's pixels."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    opset: Count
    height: Count
    width: Count
    input_name: Text
    output_name: Text
    selected_upstream_output: Text
    metadata_written: dict[str, Text]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputsClaim:
    """The model's file name and digest, and the digest of its graph without any weights."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    onnx_path: Text
    onnx_sha256: Digest
    skeleton_sha256: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractClaim:
    """What the contract gate counted in the model."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    ir_version: Count
    opset: Count
    nodes: Count
    initializers: Count
    operators: dict[str, Count]
    size_bytes: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageClaim:
    """How many tensors of the checkpoint there are, and how many stand at their place."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    tensors: Count
    in_place: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class ParityInputClaim:
    """An input that was compared: a picture of upstream's tree with its digest, or "drawn"."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    source: Text
    sha256: Digest | None
    height: Count
    width: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class ParityClaim:
    """The comparisons that held, and their bounds.

    The errors themselves vary with the processor, so they are printed and not recorded: the
    manifest is a function of inputs and toolchain alone.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    reference: Literal["torch float64"]
    inputs: tuple[ParityInputClaim, ...]
    error_ratio_at_most: float
    mean_error_ratio_at_most: float
    error_floor: float
    unsaturated_share_at_least: float
    range_at_least: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GatesClaim:
    """What the gates measured before anything was signed."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    contract: ContractClaim
    lineage: LineageClaim
    parity: ParityClaim


@dataclass(frozen=True, slots=True, kw_only=True)
class FileClaim:
    """A file that went into the run or came out of it, by its role."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    role: Text
    path: Text
    sha256: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class RunClaim:
    """The run as it could be repeated: every path is a role-relative name, never this machine's."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    schema: Literal["ai-run-provenance-v1"]
    entrypoint: Text
    argv: tuple[Text, ...]
    args: dict[str, Text]
    inputs: tuple[FileClaim, ...]
    outputs: tuple[FileClaim, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The JSON sidecar of a release, schema `u2netp-mirror-export-manifest-v1`.

    `unpinned` names the claims that are not what the recipe pins, where it was signed in spite of
    that.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    schema: Literal["u2netp-mirror-export-manifest-v1"]
    model_id: Text
    upstream: UpstreamClaim
    export: ExportClaim
    outputs: OutputsClaim
    gates: GatesClaim
    toolchain: dict[str, Text]
    unpinned: tuple[Text, ...]
    run_provenance: RunClaim

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read a manifest from untrusted bytes.

        Raises `InputError` for an unknown schema, a missing, surplus or malformed field, and for
        any bytes but those that `encode` writes, so that two readers cannot differ.
        """
        document = parse_json_object(content, "the manifest")
        if document.get("schema") != MANIFEST_SCHEMA:
            found = str(document.get("schema"))[:80]
            raise InputError(f"the manifest's schema is {found!r}, not {MANIFEST_SCHEMA!r}")
        try:
            manifest: Self = adapter().validate_python(document)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InputError(f"the manifest's {where}: {first['msg']}") from error
        if manifest.encode() != content:
            raise InputError("the manifest is not in its canonical form")
        return manifest

    def encode(self) -> bytes:
        """Write the manifest's canonical bytes."""
        return encode_json(adapter().dump_python(self, mode="json"))


@cache
def adapter() -> TypeAdapter[Any]:
    """Build the validator once, and only where a manifest is read or written."""
    return TypeAdapter(Manifest)


def manifest_schema() -> JsonObject:
    """Return the manifest's JSON Schema (draft 2020-12), as kept in `docs/`."""
    schema = adapter().json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}

"""The manifest: what was exported from what, by which toolchain, and what the gates found.

Holds its shape, its one canonical encoding and its schema; it computes nothing. Its keys and their
spelling are the fork's (`u2netp-mirror-export-manifest-v1`); ours stand beside them.
"""

from functools import lru_cache
from typing import Annotated, Final, Literal, Self

import msgspec

from release_tool.core.digest import Sha256
from release_tool.core.documents import JsonObject, encode_json, parse_json_object
from release_tool.core.errors import InputError
from release_tool.core.hexadecimal import HexText
from release_tool.core.names import CommitId

RUN_PROVENANCE_SCHEMA: Final = "ai-run-provenance-v1"
MAX_TEXT = 2000

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TEXT)]
Count = Annotated[int, msgspec.Meta(ge=0)]
HEX_LENGTHS: dict[type, int] = {Sha256: 64, CommitId: 40}


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the manifest, which takes the fields that it has and no other."""


class AdapterClaim(Claim, frozen=True, kw_only=True):
    """The maintainer's own module around upstream's network, and what of it was called."""

    path: Text
    sha256: Sha256
    call: Text


class UpstreamClaim(Claim, frozen=True, kw_only=True):
    """What the export started from; paths are relative to the upstream tree.

    `module_path` is the module that the network is made by, `modules` all that could be executed.
    """

    repo: Text
    commit: CommitId
    module_path: Text
    module_sha256: Sha256
    modules: dict[Text, Sha256]
    adapter: AdapterClaim | None
    checkpoint_path: Text
    checkpoint_sha256: Sha256
    checkpoint_tensors_sha256: Sha256
    license_path: Text
    license_sha256: Sha256
    notice_present: bool


class LicenseClaim(Claim, frozen=True, kw_only=True):
    """The licence by its SPDX identifier, and whether its text was recognised word by word."""

    spdx: Text
    recognised: bool


class ValueClaim(Claim, frozen=True, kw_only=True):
    """One input or output of the model; an axis of any size has a name."""

    name: Text
    type: Text
    shape: tuple[Count | Text, ...]


class WorkingSizeClaim(Claim, frozen=True, kw_only=True):
    """The size that the graph resizes its input to, and from which it resizes its maps back."""

    height: Count
    width: Count
    antialias: bool


class ExportClaim(Claim, frozen=True, kw_only=True, omit_defaults=True):
    """The interface of the model; `height` and `width` are the traced example's pixels.

    `input_name`, `output_name` and what is selected are of the first input and output.
    """

    opset: Count
    height: Count
    width: Count
    input_name: Text
    output_name: Text
    selected_upstream_output: Text
    metadata_written: bool
    inputs: tuple[ValueClaim, ...]
    outputs: tuple[ValueClaim, ...]
    working_size: WorkingSizeClaim | msgspec.UnsetType = msgspec.UNSET


class OutputsClaim(Claim, frozen=True, kw_only=True):
    """The model's file name and digest, and the digest of its graph without any weights."""

    onnx_path: Text
    onnx_sha256: Sha256
    skeleton_sha256: Sha256


class ContractClaim(Claim, frozen=True, kw_only=True):
    """What the contract gate counted in the model."""

    ir_version: Count
    opset: Count
    nodes: Count
    initializers: Count
    operators: dict[Text, Count]
    size_bytes: Count


class LineageClaim(Claim, frozen=True, kw_only=True):
    """How many tensors of the checkpoint there are, and how many stand at their place.

    `tied` are further names of tensors in place; `unused` are the ones that the network leaves out.
    """

    tensors: Count
    in_place: Count
    tied: tuple[Text, ...]
    unused: tuple[Text, ...]


class SampleFileClaim(Claim, frozen=True, kw_only=True):
    """A file of upstream's tree that an input was made of."""

    path: Text
    sha256: Sha256


class SampleClaim(Claim, frozen=True, kw_only=True):
    """Inputs that were compared: the size of each named axis, and what was not drawn, by input."""

    axes: dict[Text, Count]
    files: dict[Text, SampleFileClaim]


class ParityClaim(Claim, frozen=True, kw_only=True):
    """The comparisons that held, and their bounds.

    The errors themselves vary with the processor, so they are printed and not recorded: the
    manifest is a function of inputs and toolchain alone.
    """

    reference: Literal["torch float64"]
    samples: tuple[SampleClaim, ...]
    error_ratio_at_most: float
    mean_error_ratio_at_most: float
    error_floor: float
    unsaturated_share_at_least: float
    range_at_least: float


class PublishedClaim(Claim, frozen=True, kw_only=True):
    """A picture of upstream's tree and upstream's own result, which was made again."""

    picture: Text
    picture_sha256: Sha256
    result: Text
    result_sha256: Sha256


class ReplayClaim(Claim, frozen=True, kw_only=True):
    """The published results that were made again within these bounds, and by which steps."""

    passed: Literal[True]
    source: Text
    preparation: tuple[Text, ...]
    restoration: tuple[Text, ...]
    pictures: tuple[PublishedClaim, ...]
    mean_error_at_most: float
    iou_at_least: float
    lossless_levels_at_most: Count


class GatesClaim(Claim, frozen=True, kw_only=True, omit_defaults=True):
    """What the gates measured before anything was signed.

    `replay` is missing where the recipe names no published results.
    """

    contract: ContractClaim
    lineage: LineageClaim
    parity: ParityClaim
    replay: ReplayClaim | Literal["not run"] | msgspec.UnsetType = msgspec.UNSET


class FileClaim(Claim, frozen=True, kw_only=True, omit_defaults=True):
    """A file or directory of the run, under a name that no machine decides.

    A file has its digest; a directory has none, nor has what was not there.
    """

    path: Text
    exists: bool
    kind: Literal["file", "directory", "missing"]
    sha256: Sha256 | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        if self.exists == (self.kind == "missing"):
            raise ValueError(f"what is {self.kind} cannot have `exists` {self.exists}")
        if (self.digest is not None) != (self.kind == "file"):
            raise ValueError("a file has a `sha256`, and nothing else has one")

    @classmethod
    def file(cls, path: str, digest: Sha256 | None) -> Self:
        """Describe a file by its digest; None where there is no such file."""
        if digest is None:
            return cls(path=path, exists=False, kind="missing")
        return cls(path=path, exists=True, kind="file", sha256=digest)

    @property
    def digest(self) -> Sha256 | None:
        """The digest of a file, or None."""
        return self.sha256 if isinstance(self.sha256, Sha256) else None


class RunInputs(Claim, frozen=True, kw_only=True):
    """What the run read, by role."""

    upstream_dir: FileClaim
    upstream_module: FileClaim
    upstream_checkpoint: FileClaim
    upstream_license: FileClaim
    upstream_notice: FileClaim


class RunOutputs(Claim, frozen=True, kw_only=True):
    """What the run wrote, by role; the manifest was not there yet when it was described."""

    onnx: FileClaim
    license: FileClaim
    notice: FileClaim
    manifest: FileClaim

    @property
    def digests(self) -> dict[str, Sha256]:
        """Map the names of the files that were written to their digests, the model's first."""
        claims = (self.onnx, self.license, self.notice)
        return {claim.path: claim.digest for claim in claims if claim.digest is not None}


class RunClaim(Claim, frozen=True, kw_only=True):
    """The run as it could be repeated: every path is a role-relative name, never this machine's."""

    schema: Literal["ai-run-provenance-v1"]
    entrypoint: FileClaim
    argv: tuple[Text, ...]
    args: dict[Text, Text]
    inputs: RunInputs
    outputs: RunOutputs


class Manifest(Claim, frozen=True, kw_only=True):
    """The JSON sidecar of a release; `schema` is the name that the recipe gives to its form.

    `unpinned` names the claims that are not what the recipe pins, where it was signed in spite of
    that.
    """

    schema: Text
    model_id: Text
    upstream: UpstreamClaim
    license: LicenseClaim
    export: ExportClaim
    outputs: OutputsClaim
    gates: GatesClaim
    toolchain: dict[Text, Text]
    unpinned: tuple[Text, ...]
    run_provenance: RunClaim

    @classmethod
    @lru_cache(maxsize=8)
    def parse(cls, content: bytes, schema: str | None) -> Self:
        """Read a manifest from untrusted bytes; `schema` is the recipe's, None where any may be.

        Raises `InputError` for another schema, a missing, surplus or malformed field, and for
        any bytes but those that `encode` writes, so that two readers cannot differ. The same bytes
        are read once a process, since nothing else goes into the value.
        """
        document = parse_json_object(content, "the manifest")
        if schema is not None and document.get("schema") != schema:
            found = str(document.get("schema"))[:80]
            raise InputError(f"the manifest's schema is {found!r}, not {schema!r}")
        try:
            manifest = msgspec.convert(document, cls, dec_hook=read_hex)
        except msgspec.ValidationError as error:
            raise InputError(f"the manifest is malformed: {str(error)[:300]}") from error
        if manifest.encode() != content:
            raise InputError("the manifest is not in its canonical form")
        return manifest

    def encode(self) -> bytes:
        """Write the manifest's canonical bytes, with its keys sorted."""
        return encode_json(msgspec.to_builtins(self, enc_hook=write_hex, order="sorted"))


def read_hex(kind: type, value: object) -> Sha256 | CommitId:
    """Read bare digits for msgspec, which wants a TypeError or ValueError where they are none."""
    if not isinstance(value, str):
        raise TypeError("Expected `str`")
    try:
        return Sha256(value) if kind is Sha256 else CommitId.parse(value)
    except InputError as error:
        raise ValueError(error.message) from error


def write_hex(value: HexText) -> str:
    """Write a digest or a commit as bare digits."""
    return value.hex


def manifest_schema(schema: str) -> JsonObject:
    """Return the JSON Schema (draft 2020-12) of a recipe's manifest, as kept in `docs/`."""

    def describe_hex(kind: type) -> JsonObject:
        return {"type": "string", "pattern": f"^[0-9a-f]{{{HEX_LENGTHS[kind]}}}$"}

    described = msgspec.json.schema(Manifest, schema_hook=describe_hex)
    described["$defs"]["Manifest"]["properties"]["schema"] = {"const": schema}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **described}

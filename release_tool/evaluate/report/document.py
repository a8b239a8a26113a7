"""`evaluation.json`: its shape, its schema and its bytes, the same for the same files.

What depends on the machine stands in `measured`, and nowhere else.
"""

from typing import Annotated, Final, Literal

import msgspec

from release_tool.core.documents import JsonObject, encode_json

SCHEMA: Final = "release-tool-evaluation-v1"

Count = Annotated[int, msgspec.Meta(ge=0)]
Hex = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Numbers = dict[str, float]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of the evaluation, which takes the fields that it has and no other."""


class EvaluatedModel(Part, frozen=True, kw_only=True):
    """A model that was run, by its bytes."""

    name: str
    sha256: Hex
    input: str


class ReplayedPicture(Part, frozen=True, kw_only=True):
    """How alike a published result and the picture made again are; `levels` are grey levels."""

    picture: str
    mean_error: float
    iou: float
    levels: Count
    is_lossless: bool


class EvaluatedReplay(Part, frozen=True, kw_only=True):
    """Upstream's published results made again: by which steps, within which bounds."""

    passed: bool
    source: str
    preparation: tuple[str, ...]
    restoration: tuple[str, ...]
    bounds: Numbers
    mean_error: float
    pictures: tuple[ReplayedPicture, ...]


class EvaluatedMedium(Part, frozen=True, kw_only=True):
    """A picture or a clip of which `frames` were used, and the mask that belongs to it."""

    name: str
    sha256: Hex
    kind: Literal["picture", "clip"]
    width: Count
    height: Count
    frames: Count
    mask_sha256: Hex | None


class WayResult(Part, frozen=True, kw_only=True):
    """What came out of one model run in one way.

    `aggregates` has for each medium and aggregator the consumer's columns, `truth` for each medium
    with a mask the metrics against it; `summary` holds their means over the media.
    """

    model: Literal["candidate", "incumbent"]
    variant: str
    summary: Numbers
    aggregates: dict[str, dict[str, Numbers]]
    truth: dict[str, Numbers]


class PairResult(Part, frozen=True, kw_only=True):
    """How far two ways agree, over all media and on each; a way is `model/variant`."""

    one: str
    other: str
    summary: Numbers
    media: dict[str, Numbers]


class Omission(Part, frozen=True, kw_only=True):
    """A medium that was not run in one way, and why."""

    medium: str
    way: str
    reason: str


class EvaluatedComparison(Part, frozen=True, kw_only=True):
    """Every way to run, side by side."""

    trained_height: Count
    trained_width: Count
    strength: float
    masks_from: str | None
    variants: tuple[str, ...]
    media: tuple[EvaluatedMedium, ...]
    ways: tuple[WayResult, ...]
    pairs: tuple[PairResult, ...]
    left_out: tuple[Omission, ...]
    failed: tuple[Omission, ...]


class MeasuredRuns(Part, frozen=True, kw_only=True):
    """What the runs of one model at one size took: median of the time, most of the memory."""

    model: str
    height: Count
    width: Count
    runs: Count
    seconds: float
    memory_bytes: Count


class Measured(Part, frozen=True, kw_only=True):
    """What another machine would measure otherwise."""

    runs: tuple[MeasuredRuns, ...] = ()


class Evaluation(Part, frozen=True, kw_only=True):
    """What a model does. It passed where its replay holds and no run of it failed."""

    schema: Literal["release-tool-evaluation-v1"]
    recipe: str
    passed: bool
    model: EvaluatedModel
    incumbent: EvaluatedModel | None
    replay: EvaluatedReplay | None
    comparison: EvaluatedComparison | None
    measured: Measured

    def encode(self) -> bytes:
        """Write the document's bytes, with its keys sorted."""
        return encode_json(msgspec.to_builtins(self, order="sorted"))


def evaluation_schema() -> JsonObject:
    """Return the JSON Schema (draft 2020-12) of an evaluation, as kept in `docs/`."""
    described = msgspec.json.schema(Evaluation)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **described}

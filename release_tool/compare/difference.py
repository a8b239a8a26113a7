"""One value for everything that changed between two models, and how it is written."""

from collections.abc import Iterable
from dataclasses import dataclass

from release_tool.compare.claims import compare_manifests, compare_verdicts
from release_tool.compare.graph import Change, GraphDifference, compare_graphs
from release_tool.compare.tensors import TensorChange, TensorDifference, compare_tensors
from release_tool.core.digest import Sha256
from release_tool.core.documents import JsonObject
from release_tool.gates.wire import Model

DIFF_SCHEMA = "release-tool-diff-v1"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: how it was named, its model, and what is said of it.

    `size` is in bytes. `manifest` is empty where there is none; `verdict` is a verdict's document,
    or says why there is none.
    """

    named: str
    size: int
    digest: Sha256
    model: Model
    manifest: JsonObject
    verdict: JsonObject


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed from the first model to the second, part by part."""

    sides: tuple[Side, Side]
    graph: GraphDifference
    tensors: TensorDifference
    claims: tuple[Change, ...]
    signing: tuple[Change, ...]

    @property
    def same_model(self) -> bool:
        """Tell whether the models are equal byte for byte."""
        return self.sides[0].digest == self.sides[1].digest

    def to_json(self) -> JsonObject:
        """Write the difference as a document of schema `release-tool-diff-v1`."""
        graph, tensors = self.graph, self.tensors
        return {
            "schema": DIFF_SCHEMA,
            "same_model": self.same_model,
            "models": [
                {
                    "named": side.named,
                    "size": side.size,
                    "digest": str(side.digest),
                    "verified": bool(side.verdict.get("verified")),
                }
                for side in self.sides
            ],
            "graph": {
                "same_skeleton": graph.same_skeleton,
                "changes": write_changes(graph.changes),
                "operators": write_changes(graph.operators),
                "first_other_node": graph.node,
            },
            "tensors": {
                "equal": tensors.equal,
                "changed": [write_tensor(change) for change in tensors.changed],
                "layers": [write_tensor(change) for change in tensors.layers],
                "reshaped": list(tensors.reshaped),
                "removed": list(tensors.removed),
                "added": list(tensors.added),
            },
            "claims": write_changes(self.claims),
            "signing": write_changes(self.signing),
        }


def find_changes(ours: Side, theirs: Side) -> Difference:
    """Compare two sides; raises `GateError` for a model whose form is not ONNX's."""
    return Difference(
        (ours, theirs),
        compare_graphs(ours.model, theirs.model),
        compare_tensors(ours.model, theirs.model),
        compare_manifests(ours.manifest, theirs.manifest),
        compare_verdicts(ours.verdict, theirs.verdict),
    )


def write_changes(changes: Iterable[Change]) -> list[JsonObject]:
    """Write changes for programs; null where a side says nothing."""
    return [{"name": name, "from": ours, "to": theirs} for name, ours, theirs in changes]


def write_tensor(change: TensorChange) -> JsonObject:
    """Write what changed in a tensor or a layer; `relative` is null where the first is all zero."""
    return {
        "name": change.name,
        "elements": change.elements,
        "differing": change.differing,
        "largest": change.largest,
        "relative": change.relative,
        "not_finite": change.not_finite,
    }

"""How the difference of two models looks to people."""

from collections.abc import Iterable

from release_tool.cli.state import BLANK, Row
from release_tool.compare.difference import Difference, Side
from release_tool.compare.graph import Change
from release_tool.compare.tensors import TensorChange, TensorDifference

MOST_LAYERS = 10


def change_rows(found: Difference, *, verbose: bool) -> list[Row]:
    """Say what changed, part by part; of many layers those that changed most."""
    first, second = found.sides
    rows = [("from", describe_side(first)), ("to", describe_side(second))]
    if found.same_model:
        rows.append(("model", "the same bytes"))
    else:
        rows += [*graph_rows(found), *tensor_rows(found.tensors, verbose=verbose)]
    for title, changes in (("claims", found.claims), ("signing", found.signing)):
        rows += [BLANK, *(changed(changes) or [(title, "no change")])]
    return rows


def describe_side(side: Side) -> str:
    """Name a side, its size and digest, and whether it was verified."""
    verified = side.verdict.get("verified")
    judged = "verified" if verified else f"NOT VERIFIED: {side.verdict.get('reason')}"
    return f"{side.named}  {side.size} bytes  {side.digest}  {judged}"


def graph_rows(found: Difference) -> list[Row]:
    """Describe how the graphs differ."""
    graph = found.graph
    if graph.same_skeleton and not graph.changes:
        return [("graph", "the same, node by node")]
    same = "the same, node by node" if graph.node is None else graph.node
    return [("graph", same), *changed((*graph.changes, *graph.operators))]


def changed(changes: Iterable[Change]) -> list[Row]:
    """Write changes as `from → to`."""
    return [(name, f"{show(ours)} → {show(theirs)}") for name, ours, theirs in changes]


def show(text: str | None) -> str:
    """Write one side of a change, of bounded length."""
    return "nothing" if text is None else text[:160]


def tensor_rows(tensors: TensorDifference, *, verbose: bool) -> list[Row]:
    """Count the tensors, and list the layers that changed most by their relative change."""
    total = tensors.equal + len(tensors.changed)
    rows = [("tensors", f"{len(tensors.changed)} of {total} changed, {tensors.equal} equal")]
    for title, names in (
        ("reshaped", tensors.reshaped),
        ("removed", tensors.removed),
        ("added", tensors.added),
    ):
        if names:
            shown = names if verbose else names[:MOST_LAYERS]
            more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
            rows.append((title, ", ".join(shown) + more))
    layers = sorted(tensors.layers, key=lambda layer: layer.relative or 0.0, reverse=True)
    shown_layers = layers if verbose else layers[:MOST_LAYERS]
    if layers:
        rows.append(BLANK)
    rows += [(layer.name, describe_change(layer)) for layer in shown_layers]
    if len(layers) > len(shown_layers):
        rows.append(("", f"{len(layers) - len(shown_layers)} more layers: --verbose or --json"))
    return rows


def describe_change(change: TensorChange) -> str:
    """Say how many elements differ, by how much at most, and relative to the first model."""
    relative = "from zero" if change.relative is None else f"relative {change.relative:.3g}"
    text = (
        f"{change.differing} of {change.elements} differ, largest {change.largest:.3g}, {relative}"
    )
    return f"{text}, {change.not_finite} not finite" if change.not_finite else text

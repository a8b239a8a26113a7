"""Finds where two models differ first: which field of which node, or which byte of which tensor."""

from collections import Counter
from pathlib import Path

from release_tool.gates.wire import Field, Message, Model, open_model


def find_difference(ours: Path, theirs: Path) -> str | None:
    """Say where two model files differ first, in the order of the wire; None where they do not.

    Raises `GateError` for a file that is no model in canonical form.
    """
    return first_difference(open_model(ours), open_model(theirs))


def first_difference(ours: Model, theirs: Model) -> str | None:
    """Compare two models that are open already, without copying their tensors."""
    if ours.content == theirs.content:
        return None
    return differ(ours.message, theirs.message, (ours.content, theirs.content), "model")


def differ(
    ours: Message, theirs: Message, contents: tuple[memoryview, memoryview], where: str
) -> str:
    """Descend into the first field of two messages that is not the same."""
    seen: Counter[str] = Counter()
    for left, right in zip(ours.fields, theirs.fields, strict=False):
        if left.name != right.name:
            return f"{where}: {right.name} where there should be {left.name}"
        place = f"{where}.{left.name}[{seen[left.name]}]"
        seen[left.name] += 1
        if contents[0][left.start : left.stop] != contents[1][right.start : right.stop]:
            return differ_in_field(left, right, contents, place)
    if len(ours.fields) == len(theirs.fields):
        return f"{where}: written in another way"
    longer = "more" if len(theirs.fields) > len(ours.fields) else "fewer"
    return f"{where}: {longer} fields than there should be"


def differ_in_field(
    ours: Field, theirs: Field, contents: tuple[memoryview, memoryview], where: str
) -> str:
    """Name the difference between two fields that stand at the same place."""
    left, right = ours.value, theirs.value
    if isinstance(left, Message) and isinstance(right, Message):
        name = left.one("name", "")
        return differ(left, right, contents, f"{where} {name!r}" if name else where)
    if isinstance(left, memoryview) and isinstance(right, memoryview):
        if len(left) != len(right):
            return f"{where}: {len(right)} bytes, expected {len(left)}"
        at = next(n for n, (a, b) in enumerate(zip(left, right, strict=True)) if a != b)
        return f"{where}: byte {at} of {len(left)}"
    return f"{where}: {str(right)[:120]!r}, expected {str(left)[:120]!r}"

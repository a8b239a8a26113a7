"""Where two models differ first is told by field, by node and by tensor."""

from pathlib import Path

import onnx
import pytest

from release_tool.gates.difference import find_difference


def name_of(index: int):
    return lambda model: setattr(model.graph.node[index], "name", "renamed")


def test_a_model_does_not_differ_from_itself(exported, tmp_path: Path):
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(exported.content)
    assert find_difference(exported.model, copy) is None


def weight(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[3]
    content = bytearray(tensor.raw_data)
    content[5] ^= 1
    tensor.raw_data = bytes(content)


def shorter(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[:-4]


def without_node(model: onnx.ModelProto) -> None:
    del model.graph.node[-1]


def more_metadata(model: onnx.ModelProto) -> None:
    model.metadata_props.add(key="more", value="x")


def fewer_metadata(model: onnx.ModelProto) -> None:
    del model.metadata_props[-1]


def version(model: onnx.ModelProto) -> None:
    model.producer_version = "9.9.9"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (weight, r"initializer\[3\] '.*raw_data\[0\]: byte 5 of"),
        (shorter, r"initializer\[0\] '.*raw_data\[0\]: \d+ bytes, expected \d+"),
        (name_of(4), r"model\.graph\[0\].*node\[4\].*'renamed'"),
        (without_node, r"model\.graph\[0\].*: "),
        (more_metadata, "model: more fields"),
        (fewer_metadata, "model: fewer fields"),
        (version, r"producer_version\[0\]: .*9\.9\.9.*expected"),
    ],
)
def test_the_first_difference_is_named(exported, changed, change, words: str):
    import re

    found = find_difference(exported.model, changed(change))
    assert found is not None
    assert re.search(words, found), found

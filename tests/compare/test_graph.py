"""What changed in a graph is told by versions, interface, operators and the first other node."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from release_tool.compare.graph import compare_graphs
from release_tool.core.errors import GateError
from release_tool.gates.wire import open_model, parse_model

WEIGHTS = {"a": np.ones(2, np.float32)}


def test_other_weights_leave_the_graph_as_it_is(make_model):
    found = compare_graphs(make_model(WEIGHTS), make_model({"a": np.zeros(2, np.float32)}))
    assert (found.same_skeleton, found.changes, found.operators, found.node) == (True, (), (), None)


def test_another_operator_is_counted_and_its_node_named(make_model):
    found = compare_graphs(make_model(WEIGHTS), make_model(WEIGHTS, "Relu", "Tanh"))
    assert not found.same_skeleton
    assert found.operators == (("Sigmoid", "1", None), ("Tanh", None, "1"))
    assert found.node == "node 1: Sigmoid n1 against Tanh n1"


def test_more_nodes_at_the_end_are_counted(make_model):
    more = {**WEIGHTS, "b": np.ones(1, np.float32)}
    found = compare_graphs(make_model(WEIGHTS), make_model(more))
    assert found.node == "the second has 1 more nodes, 4 in all"


def test_versions_interface_and_metadata_are_compared(write_model):
    path: Path = write_model("a.onnx", WEIGHTS)
    model = onnx.load(path)
    model.opset_import[0].version = 18
    model.producer_name, model.producer_version = "pytorch", "2.13.0"
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    model.metadata_props.add(key="k", value="v")
    other = path.with_name("b.onnx")
    other.write_bytes(model.SerializeToString(deterministic=True))
    found = compare_graphs(open_model(path), open_model(other))
    assert found.changes == (
        ("producer", "", "pytorch 2.13.0"),
        ("opset ai.onnx", "17", "18"),
        ("input input", "float32[1,H]", "float32[4,H]"),
        ("metadata k", None, "v"),
    )


def test_a_model_without_a_graph_is_refused(make_model):
    with pytest.raises(GateError, match="no graph"):
        compare_graphs(parse_model(b""), make_model(WEIGHTS))

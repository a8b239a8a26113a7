"""Small models that onnx itself makes, and the file that each is written to."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from release_tool.gates.wire import Model, open_model

MakeModel = Callable[..., Path]
Arrays = dict[str, "np.ndarray[Any, Any]"]


def small_model(weights: Arrays, operators: tuple[str, ...] = ("Relu", "Sigmoid")) -> bytes:
    """A chain of operators on one input; the weights are added to it where they are float32."""
    names = ["input", *(f"v{index}" for index in range(len(operators)))]
    nodes = [
        helper.make_node(operator, [names[index]], [names[index + 1]], name=f"n{index}")
        for index, operator in enumerate(operators)
    ]
    nodes += [helper.make_node("Shape", [name], [f"shape {name}"]) for name in weights]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, "H"])],
        [helper.make_tensor_value_info(names[-1], TensorProto.FLOAT, [1, "H"])],
        [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


@pytest.fixture
def write_model(tmp_path: Path) -> MakeModel:
    """Give a function that writes a small model to a file of that name."""

    def write(name: str, weights: Arrays, *operators: str) -> Path:
        path = tmp_path / name
        path.write_bytes(small_model(weights, operators or ("Relu", "Sigmoid")))
        return path

    return write


@pytest.fixture
def make_model(write_model: MakeModel) -> Callable[..., Model]:
    """Give a function that makes a small model and opens it."""
    made: list[Path] = []

    def make(weights: Arrays, *operators: str) -> Model:
        made.append(write_model(f"{len(made)}.onnx", weights, *operators))
        return open_model(made[-1])

    return make

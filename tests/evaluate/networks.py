"""Small saliency networks as ONNX files, whose maps can be worked out by hand."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

BRIGHTNESS = (1 / 3, 1 / 3, 1 / 3)


def make_network(
    weights=BRIGHTNESS,
    bias: float = 0.0,
    *,
    shape=("H", "W"),
    input_name: str = "input",
    channels: int = 3,
    activation: str = "Sigmoid",
) -> bytes:
    """Make a model whose map is a weighted sum of each pixel's channels, through a sigmoid."""
    kernel = np.array(weights, np.float32).reshape(1, channels, 1, 1)
    nodes = [
        helper.make_node("Conv", [input_name, "weight", "bias"], ["sum"]),
        helper.make_node(activation, ["sum"], ["saliency_map"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, [1, channels, *shape])],
        [helper.make_tensor_value_info("saliency_map", TensorProto.FLOAT, [1, 1, *shape])],
        [
            numpy_helper.from_array(kernel, "weight"),
            numpy_helper.from_array(np.array([bias], np.float32), "bias"),
        ],
    )
    opsets = [helper.make_opsetid("", 17)]
    model: bytes = onnx.helper.make_model(
        graph, opset_imports=opsets, ir_version=8
    ).SerializeToString()
    return model

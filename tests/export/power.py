"""One change at a time to an honest export, and what must see it.

Every change is seen by lineage, which knows the graph and every tensor; the table is about parity,
which knows neither. What parity does not see must be right to pass: no output moves by a grey
level.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from release_tool.core.errors import GateError
from release_tool.export.measured import ParityReport
from release_tool.export.parity import Reference, measure_parity
from release_tool.recipes.recipe import Recipe

GREY_LEVEL = 1 / 255
MIDDLE = 0.5

Edit = Callable[[onnx.ModelProto], None]


@dataclass(frozen=True)
class Change:
    """A change by name; `unseen` says why parity may pass it, and is empty where it must not."""

    name: str
    edit: Edit
    unseen: str = ""


def nodes(model: onnx.ModelProto, kind: str) -> list[onnx.NodeProto]:
    found = [node for node in model.graph.node if node.op_type == kind]
    assert found, f"the graph has no {kind}"
    return found


def tensor(model: onnx.ModelProto, name: str) -> onnx.TensorProto:
    found: onnx.TensorProto
    [found] = [each for each in model.graph.initializer if each.name == name]
    return found


def values(held: onnx.TensorProto) -> np.ndarray:
    return numpy_helper.to_array(held).copy()


def store(held: onnx.TensorProto, array: np.ndarray) -> None:
    assert array.shape == tuple(held.dims)
    held.raw_data = np.ascontiguousarray(array, "<f4").tobytes()


def set_attribute(node: onnx.NodeProto, name: str, value: object) -> None:
    kept = [each for each in node.attribute if each.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])


def attribute_of(node: onnx.NodeProto, name: str) -> object:
    return next(
        (helper.get_attribute_value(each) for each in node.attribute if each.name == name), None
    )


def attribute(kind: str, place: float, name: str, value: object) -> Edit:
    """Set an attribute of the node of a kind at a place: counted, or as a share of all."""

    def edit(model: onnx.ModelProto) -> None:
        found = nodes(model, kind)
        set_attribute(
            found[int(place * len(found)) if place == MIDDLE else int(place)], name, value
        )

    return edit


def every(kind: str, name: str, value: object) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        for node in nodes(model, kind):
            set_attribute(node, name, value)

    return edit


def operator(kind: str, place: int, other: str, **attributes: object) -> Edit:
    """Put another operator in a node's place."""

    def edit(model: onnx.ModelProto) -> None:
        node = nodes(model, kind)[place]
        node.op_type = other
        del node.attribute[:]
        node.attribute.extend(helper.make_attribute(*each) for each in attributes.items())

    return edit


def remove(kind: str, place: int) -> Edit:
    """Lead what comes before a node to what comes after it."""

    def edit(model: onnx.ModelProto) -> None:
        node = nodes(model, kind)[place]
        reconnect(model, node.output[0], node.input[0])
        model.graph.node.remove(node)

    return edit


def reconnect(model: onnx.ModelProto, old: str, new: str) -> None:
    """Let everything that read `old` read `new`, the model's output included."""
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if name == old:
                node.input[place] = new
    if model.graph.output[0].name == old:
        for node in model.graph.node:
            for place, name in enumerate(node.output):
                if name == new:
                    node.output[place] = old
            for place, name in enumerate(node.input):
                if name == new:
                    node.input[place] = old


def insert(kind: str, after: str) -> Edit:
    """Put a node of a kind behind the first of another."""

    def edit(model: onnx.ModelProto) -> None:
        before = nodes(model, after)[0]
        reconnect(model, before.output[0], "inserted")
        place = list(model.graph.node).index(before)
        node = helper.make_node(kind, [before.output[0]], ["inserted"])
        model.graph.node.insert(place + 1, node)

    return edit


def scale_input(factor: float) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        name = model.graph.input[0].name
        constant = helper.make_tensor("factor", onnx.TensorProto.FLOAT, [], [factor])
        reconnect(model, name, "scaled")
        model.graph.node.insert(0, helper.make_node("Mul", [name, "factor"], ["scaled"]))
        model.graph.initializer.append(constant)

    return edit


def swap_inputs(place: int) -> Edit:
    """Swap the first two inputs of a Concat that joins features, not sizes."""

    def edit(model: onnx.ModelProto) -> None:
        joined = [node for node in nodes(model, "Concat") if attribute_of(node, "axis") == 1]
        node = joined[place]
        node.input[0], node.input[1] = node.input[1], node.input[0]

    return edit


def undilate(model: onnx.ModelProto) -> None:
    """Make a dilation of 2 a dilation of 1, with the padding that keeps the size."""
    dilated = [each for each in nodes(model, "Conv") if attribute_of(each, "dilations") == [2, 2]]
    node = dilated[len(dilated) // 2]
    set_attribute(node, "dilations", [1, 1])
    set_attribute(node, "pads", [1, 1, 1, 1])


def parameters(model: onnx.ModelProto, ending: str) -> list[onnx.TensorProto]:
    found = [each for each in model.graph.initializer if each.name.endswith(ending)]
    assert found, f"no tensor ends in {ending}"
    return found


def tensors(ending: str, place: int, change: Callable[[np.ndarray], np.ndarray]) -> Edit:
    """Change the values of one tensor."""

    def edit(model: onnx.ModelProto) -> None:
        held = parameters(model, ending)[place]
        store(held, change(values(held)))

    return edit


def round_all(kind: Callable[[np.ndarray], np.ndarray]) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        for held in model.graph.initializer:
            if held.data_type == onnx.TensorProto.FLOAT and held.dims:
                store(held, kind(values(held)))

    return edit


def as_float16(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float16).astype(np.float32)


def as_bfloat16(array: np.ndarray) -> np.ndarray:
    return (array.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


def one_more(amount: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        array.flat[0] += np.float32(amount)
        return array

    return change


def next_float(array: np.ndarray) -> np.ndarray:
    array.flat[0] = np.nextafter(array.flat[0], np.float32(9))
    return array


def swap_weights(model: onnx.ModelProto) -> None:
    """Swap the weights of two convolutions of one shape."""
    first, second = same_shape(model)
    first.raw_data, second.raw_data = second.raw_data, first.raw_data


def same_shape(model: onnx.ModelProto) -> tuple[onnx.TensorProto, onnx.TensorProto]:
    read = [node.input[1] for node in nodes(model, "Conv")]
    by_shape: dict[tuple[int, ...], onnx.TensorProto] = {}
    for name in read:
        held = tensor(model, name)
        if tuple(held.dims) in by_shape:
            return by_shape[tuple(held.dims)], held
        by_shape[tuple(held.dims)] = held
    raise AssertionError("no two convolutions have one shape")


def select_another(model: onnx.ModelProto) -> None:
    """Give out a side map instead of the fused one: an input of the convolution that fuses."""
    last = nodes(model, "Sigmoid")[-1]
    made = {node.output[0]: node for node in model.graph.node}
    fused = made[last.input[0]]
    joined = made[fused.input[0]]
    last.input[0] = joined.input[0]


def bias_of_conv(place: int, amount: float) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        held = tensor(model, nodes(model, "Conv")[place].input[2])
        store(held, values(held) + np.float32(amount))

    return edit


def weight_of_conv(place: int, change: Callable[[np.ndarray], np.ndarray]) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        held = tensor(model, nodes(model, "Conv")[place].input[1])
        store(held, change(values(held)))

    return edit


NAMED = (
    Change("a middle Resize takes asymmetric coordinates",
           attribute("Resize", MIDDLE, "coordinate_transformation_mode", "asymmetric")),
    Change("a middle Resize takes the nearest pixel",
           attribute("Resize", MIDDLE, "mode", "nearest")),
    Change("the last Resize aligns corners",
           attribute("Resize", -1, "coordinate_transformation_mode", "align_corners")),
    Change("the first Relu is gone", remove("Relu", 0)),
    Change("the first Concat's inputs are swapped", swap_inputs(0)),
    Change("a dilation of 2 is 1", undilate),
    Change("every weight is rounded to float16", round_all(as_float16)),
    Change("one bias is off by 1e-4", bias_of_conv(0, 1e-4)),
    Change("one BatchNormalization's epsilon is 1e-3",
           attribute("BatchNormalization", 0, "epsilon", 1e-3)),
)  # fmt: skip

NO_EFFECT = "inference does not read it"
SAME = "the same function"

OTHERS = (
    Change("every Resize takes asymmetric coordinates",
           every("Resize", "coordinate_transformation_mode", "asymmetric")),
    Change("the last Resize is cubic", attribute("Resize", -1, "mode", "cubic")),
    Change("the last Resize takes the nearest pixel", attribute("Resize", -1, "mode", "nearest")),
    Change("a middle Resize aligns corners",
           attribute("Resize", MIDDLE, "coordinate_transformation_mode", "align_corners")),
    Change("every Resize takes PyTorch's half pixels",
           every("Resize", "coordinate_transformation_mode", "half_pixel"),
           "they differ only where an output is one pixel wide"),
    Change("every BatchNormalization's epsilon is 1.1e-5",
           every("BatchNormalization", "epsilon", 1.1e-5)),
    Change("every BatchNormalization's momentum is 0.1",
           every("BatchNormalization", "momentum", 0.1), NO_EFFECT),
    Change("the first MaxPool rounds sizes down", attribute("MaxPool", 0, "ceil_mode", 0)),
    Change("the first MaxPool looks at three pixels a side",
           operator("MaxPool", 0, "MaxPool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2],
                    ceil_mode=1)),
    Change("the first MaxPool averages",
           operator("MaxPool", 0, "AveragePool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)),
    Change("the first Conv shifts by a pixel", attribute("Conv", 0, "pads", [0, 0, 2, 2])),
    Change("the last Relu is gone", remove("Relu", -1)),
    Change("a Relu leaks a hundredth", operator("Relu", 0, "LeakyRelu", alpha=0.01)),
    Change("a Relu is a Softplus", operator("Relu", 2, "Softplus")),
    Change("a Relu follows a Relu", insert("Relu", "Relu"), SAME),
    Change("an Identity follows a Conv", insert("Identity", "Conv"), SAME),
    Change("the Sigmoid is a HardSigmoid", operator("Sigmoid", -1, "HardSigmoid")),
    Change("the Sigmoid is a Tanh", operator("Sigmoid", -1, "Tanh")),
    Change("the Sigmoid is gone", remove("Sigmoid", -1)),
    Change("the last Concat's inputs are swapped", swap_inputs(-1)),
    Change("another map is given out", select_another),
    Change("the input is scaled by 1/255 again", scale_input(1 / 255)),
    Change("red and blue are swapped", weight_of_conv(0, lambda array: array[:, ::-1])),
    Change("the first kernels are mirrored", weight_of_conv(0, lambda array: array[..., ::-1])),
    Change("two convolutions have each other's weights", swap_weights),
    Change("one weight tensor is a hundredth larger",
           weight_of_conv(3, lambda array: array * 1.01)),
    Change("every weight is rounded to bfloat16", round_all(as_bfloat16)),
    Change("a running variance is a hundredth larger",
           tensors("running_var", 1, lambda array: array * 1.01)),
    Change("one weight is the next number up", weight_of_conv(3, next_float),
           "far below what either runtime rounds by"),
)  # fmt: skip

CHANGES = NAMED + OTHERS


def changed(content: bytes, change: Change) -> bytes:
    """Apply a change to a model's bytes; it must make a difference to them."""
    model = onnx.load_from_string(content)
    change.edit(model)
    made: bytes = model.SerializeToString(deterministic=True)
    assert made != onnx.load_from_string(content).SerializeToString(deterministic=True)
    return made


@dataclass(frozen=True)
class Judge:
    """Holds changed models against what PyTorch computes."""

    references: list[Reference]
    recipe: Recipe
    place: Path

    @property
    def path(self) -> Path:
        """Where the model lies that was looked at last."""
        return self.place / "changed.onnx"

    def measure(self, content: bytes) -> ParityReport:
        """Run the parity gate; raises `GateError`."""
        self.path.write_bytes(content)
        recipe = self.recipe
        return measure_parity(
            self.references, self.path, recipe.outputs, recipe.parity.bounds, lambda: None
        )

    def hold(self, content: bytes, change: Change) -> None:
        """Require what the table says of a change."""
        if change.unseen:
            report = self.measure(content)
            assert max(each.onnxruntime.largest for each in report.outputs) < GREY_LEVEL
        else:
            with pytest.raises(GateError, match=r"parity against torch|returns shape|does not run"):
                self.measure(content)

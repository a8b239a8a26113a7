"""The numbers agree, or the gate says where they do not; run in this process."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import PIL.Image
import pytest
import torch

from release_tool.core.digest import Sha256
from release_tool.core.errors import GateError, InputError
from release_tool.export import convert, fitting, normalise
from release_tool.export.inputs import draw, make_arrays, read_picture
from release_tool.export.job import JobSample
from release_tool.export.measured import Errors, ParityReport
from release_tool.export.parity import make_references, measure_parity
from release_tool.export.run import make_samples
from release_tool.recipes.network import InputSpec, OutputSpec
from release_tool.recipes.saliency import sample
from release_tool.rehearsal.upstream import MODULE
from tests.export.built import build, load, loaded

LEGACY_EXPORTER = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def network(inputs):
    return loaded(inputs.recipe, inputs.checkpoint)


ODD = (sample(37, 53), sample(40, 40))


def references_of(network, place=Path(), given=ODD):
    return make_references(network, make_samples(given), place, lambda: None)


@pytest.fixture(scope="module")
def references(network):
    return references_of(network)


@pytest.fixture
def measure(references, inputs):
    recipe = inputs.recipe

    def call(model: Path, references=references, **bounds) -> ParityReport:
        changed = replace(recipe.parity.bounds, **bounds)
        return measure_parity(references, model, recipe.outputs, changed, lambda: None)

    return call


def change(model: Path, path: Path, name: str, factor: float) -> Path:
    proto = onnx.load(model)
    tensor = next(item for item in proto.graph.initializer if item.name == name)
    tensor.raw_data = (np.frombuffer(tensor.raw_data, "<f4") * np.float32(factor)).tobytes()
    path.write_bytes(proto.SerializeToString())
    return path


def test_the_exported_model_agrees_at_odd_sizes(measure, model):
    report = measure(model)
    assert [item.sample for item in report.outputs] == ["drawn at 37x53", "drawn at 40x40"]
    for item in report.outputs:
        assert item.bounds.largest == pytest.approx(3 * item.torch.largest + 1e-7)
        assert item.bounds.mean == pytest.approx(2 * item.torch.mean + 1e-7)
    assert ParityReport.from_json(report.to_json()) == report


def test_what_torch_itself_is_off_by_decides(measure, model, references):
    """The same model is refused where torch in float32 would be exact."""
    exact = [replace(each, torch=(Errors(0.0, 0.0),)) for each in references]
    with pytest.raises(GateError, match=r"torch by 0.0e\+00"):
        measure(model, exact, error_floor=1e-9)


@pytest.mark.parametrize("name", ["fuse.weight", "down.0.norm.running_var"])
def test_a_model_of_other_weights_does_not_agree(measure, model, tmp_path, name):
    with pytest.raises(
        GateError, match=r"at \d+x\d+, saliency_map: ONNX Runtime is off by .*; allowed"
    ):
        measure(change(model, tmp_path / "m.onnx", name, 1.01))


@pytest.mark.parametrize("other", ["error_ratio", "mean_error_ratio"])
def test_the_largest_and_the_mean_error_are_each_bounded(measure, model, tmp_path, other):
    changed = change(model, tmp_path / "m.onnx", "fuse.bias", 1.01)
    measure(changed, error_ratio=1e9, mean_error_ratio=1e9)
    with pytest.raises(GateError, match="allowed are"):
        measure(changed, **{other: 1e9})


def test_a_model_that_gives_nan_does_not_agree(measure, model, tmp_path):
    with pytest.raises(GateError, match=r"ONNX Runtime is off by nan \(mean nan\)"):
        measure(change(model, tmp_path / "m.onnx", "fuse.bias", float("nan")))


@pytest.mark.parametrize(
    ("bias", "weight", "words"),
    [
        (100, 1, r"vacuous: 0.00% .* at least 1.00% must"),
        (0, 0, r"vacuous: all outputs lie within 0.0e\+00, they must differ by 1e-02"),
    ],
)
def test_an_output_that_is_saturated_or_constant_is_vacuous_by_name(
    inputs, measure, model, tmp_path, bias, weight, words
):
    built = loaded(inputs.recipe, inputs.checkpoint)
    with torch.no_grad():
        built.upstream.fuse.bias.fill_(bias)  # type: ignore[union-attr, operator]
        built.upstream.fuse.weight.mul_(weight)  # type: ignore[union-attr, operator]
    proto = onnx.load(model)
    for item in proto.graph.initializer:
        if item.name == "fuse.bias":
            item.raw_data = np.array([bias], "<f4").tobytes()
        elif item.name == "fuse.weight":
            item.raw_data = (np.frombuffer(item.raw_data, "<f4") * np.float32(weight)).tobytes()
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    saturated = references_of(built)
    with pytest.raises(GateError, match=words):
        measure(tmp_path / "m.onnx", saturated)


def test_an_output_of_another_size_is_refused(measure, model, tmp_path):
    proto = onnx.load(model)
    last = proto.graph.node[-1]
    last.output[0] = "before"
    proto.graph.node.append(
        onnx.helper.make_node("MaxPool", ["before"], ["saliency_map"], kernel_shape=[2, 2])
    )
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(GateError, match="returns shape"):
        measure(tmp_path / "m.onnx")


def test_what_onnx_runtime_does_not_run_is_refused_in_one_line(measure, model, tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"no model")
    with pytest.raises(GateError, match="does not run the model") as caught:
        measure(tmp_path / "m.onnx")
    assert "\n" not in caught.value.message
    proto = onnx.load(model)
    proto.graph.input[0].name = proto.graph.node[0].input[0] = "picture"
    for node in proto.graph.node:
        node.input[:] = ["picture" if name == "input" else name for name in node.input]
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(GateError, match="does not run the model"):
        measure(tmp_path / "m.onnx")


def test_drawn_inputs_are_the_same_everywhere_and_differ_by_size():
    picture = InputSpec("input", (1, 3, "H", "W"), draw="image")
    first = draw(picture, (1, 3, 37, 53), (1, 2))
    assert first.shape == (1, 3, 37, 53)
    assert first.dtype == np.float32
    assert np.array_equal(first, draw(picture, (1, 3, 37, 53), (1, 2)))
    assert np.isfinite(first).all()
    assert not np.array_equal(first[:, :, :32, :32], draw(picture, (1, 3, 32, 32), (1, 2)))
    assert not np.array_equal(first, draw(picture, (1, 3, 37, 53), (1, 3)))


@pytest.mark.parametrize(
    ("spec", "least", "most"),
    [
        (InputSpec("x", (50,), type="int64", low=3, high=5), 3, 5),
        (InputSpec("x", (50,), type="bool"), 0, 1),
        (InputSpec("x", (50,), type="uint8", high=255), 0, 255),
        (InputSpec("x", (50,), draw="uniform", low=-2, high=-1), -2, -1),
        (InputSpec("x", (50,), type="float16"), -6, 6),
        (InputSpec("x", (2, 5, 4, 4), draw="image"), -6, 6),
    ],
)
def test_an_input_is_drawn_within_its_bounds_and_in_its_type(spec, least, most):
    drawn = draw(spec, spec.shape, (0,))
    assert drawn.dtype == spec.type
    assert drawn.shape == spec.shape
    assert least <= drawn.min() < drawn.max() <= most


def test_an_array_in_upstreams_tree_is_an_input_where_it_fits(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(3, dtype="int64"))
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    spec = InputSpec("x", ("T",), type="int64")

    def read(file: str, size: int):
        given = JobSample("a", 0, {"T": size}, {"x": file})
        return make_arrays([spec], given, tmp_path)["x"]

    assert list(read("a.npy", 3)) == [0, 1, 2]
    with pytest.raises(InputError, match=r"holds int64\[3\], and the input is int64\[4\]"):
        read("a.npy", 4)
    with pytest.raises(InputError, match="no array that can be read: Object arrays"):
        read("objects.npy", 1)


def test_a_picture_is_scaled_and_normalised_as_imagenet_is(tmp_path):
    PIL.Image.new("RGBA", (6, 4), (255, 128, 0, 7)).save(tmp_path / "p", "PNG")
    image = read_picture(tmp_path / "p", 2, 3)
    assert image.shape == (1, 3, 2, 3)
    wanted = [(1 - 0.485) / 0.229, (128 / 255 - 0.456) / 0.224, -0.406 / 0.225]
    assert np.allclose(image[0], np.reshape(wanted, (3, 1, 1)), atol=1e-6)


def test_a_file_that_is_no_picture_or_too_large_a_one_is_refused(tmp_path, monkeypatch):
    (tmp_path / "p").write_text("GIF89a")
    with pytest.raises(InputError, match="p is no picture that can be read"):
        read_picture(tmp_path / "p", 2, 3)
    PIL.Image.new("1", (4001, 4000)).save(tmp_path / "p", "PNG")
    with pytest.raises(InputError, match="more than 16000000 pixels"):
        read_picture(tmp_path / "p", 2, 3)


# --- conversion


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("width, levels = 8", "width, levels = 4", r"down.0.conv.weight has shape \(8, 3, 3, 3\)"),
        ("class U2NETP(", "class U2NETX(", "no U2NETP in the module model.u2net"),
        ("class U2NETP(nn.Module)", "U2NETP = int\nclass X(nn.Module)", "int.. base must be >= 2"),
        ("class U2NETP(nn.Module)", "U2NETP = max\nclass X(nn.Module)", "makes a int, not a netw"),
        ("levels - 1)", "levels - 2)", r"0 missing, 7 surplus \(up.4.conv.weight"),
    ],
)
def test_a_checkpoint_of_another_network_is_refused(inputs, old, new, words):
    with pytest.raises(InputError, match=words):
        fit(inputs.recipe, inputs.checkpoint.tensors, MODULE.replace(old, new))


def fit(recipe, tensors, module=MODULE, expected=80):
    built = build(recipe, {"model/u2net.py": module.encode()})
    fitting.check_fit(built.upstream, tensors, "U2NETP", expected)
    return built


@pytest.mark.parametrize("prefix", ["model.", "net.", "wrapped.model."])
def test_a_prefix_that_would_make_the_names_fit_is_named(inputs, prefix):
    renamed = [replace(each, name=prefix + each.name) for each in inputs.checkpoint.tensors]
    with pytest.raises(InputError, match="missing") as caught:
        fit(inputs.recipe, renamed)
    assert f"the network's names begin with {prefix!r}" in str(caught.value.hint)
    with pytest.raises(InputError, match="missing") as caught:
        fit(inputs.recipe, renamed[:-9])
    assert caught.value.hint is None


def test_a_tensor_of_integers_where_numbers_belong_is_refused(inputs):
    first, *rest = inputs.checkpoint.tensors
    with pytest.raises(InputError, match=r"down.0.conv.weight is int64 instead of float32"):
        fit(inputs.recipe, [replace(first, dtype="int64"), *rest])


def test_a_recipe_that_counts_other_tensors_is_refused(inputs):
    with pytest.raises(InputError, match="has 80 tensors, the recipe 81"):
        fit(inputs.recipe, inputs.checkpoint.tensors, expected=81)


def test_counters_may_be_missing_as_in_old_checkpoints(inputs):
    tensors = [item for item in inputs.checkpoint.tensors if item.dtype == "float32"]
    load(fit(inputs.recipe, tensors), tensors)


@LEGACY_EXPORTER
def test_weights_that_are_equal_do_not_shape_the_graph(inputs, tmp_path):
    """A network whose tensors are all equal gives the pinned skeleton too."""
    recipe = inputs.recipe
    built = build(recipe)
    with torch.no_grad():
        for tensor in built.state_dict().values():
            tensor.fill_(1)
    raw = convert.trace(built, dict(recipe.axes), 17, tmp_path / "raw.onnx")
    names, own = convert.name_tensors(built, list(built.upstream.state_dict()))
    skeleton = normalise.normalise(raw, names, own, recipe.inputs, recipe.outputs)
    assert Sha256.of_bytes(skeleton) == recipe.skeletons[0][1]


def raw_graph() -> onnx.ModelProto:
    value = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node("Add", ["input", "network.w"], ["out"], doc_string="/a/path")
    graph = onnx.helper.make_graph(
        [node], "g", [value("input", 1, [1]), value("network.w", 1, [1])], [value("out", 1, [1])]
    )
    return onnx.helper.make_model(graph, producer_name="pytorch", doc_string="/a/path")


VALUES = ([InputSpec("input", (1,))], [OutputSpec("out", (1,))])


def test_remarks_and_paths_do_not_survive():
    made = normalise.normalise(raw_graph(), {"network.w": "w", "network.v": "v"}, {}, *VALUES)
    assert b"/a/path" not in made
    assert [each.name for each in onnx.load_from_string(made).graph.initializer] == ["w"]


def test_a_graph_of_other_weights_is_refused():
    with pytest.raises(GateError, match=r"no tensor of the checkpoint: \['network.w'\]"):
        normalise.normalise(raw_graph(), {"network.v": "v"}, {}, *VALUES)


def test_an_adapters_own_tensor_stands_in_the_skeleton_as_a_constant():
    own = {"network.w": onnx.numpy_helper.from_array(np.ones(1, "float32"))}
    made = onnx.load_from_string(normalise.normalise(raw_graph(), {}, own, *VALUES))
    assert [node.op_type for node in made.graph.node] == ["Constant", "Add"]
    assert made.graph.node[1].input[1] == made.graph.node[0].output[0] == "Constant_0_0"


def test_values_inside_a_graph_within_a_node_are_renamed_too():
    raw = raw_graph()
    branch = onnx.helper.make_graph(
        [onnx.helper.make_node("Neg", ["sum"], ["negated"], doc_string="/a/path")], "b", [],
        [onnx.helper.make_tensor_value_info("negated", 1, [1])],
    )  # fmt: skip
    raw.graph.node[0].output[0] = "sum"
    raw.graph.node.append(
        onnx.helper.make_node("If", ["input"], ["out"], then_branch=branch, else_branch=branch)
    )
    made = normalise.normalise(raw, {"network.w": "w"}, {}, *VALUES)
    inner = onnx.load_from_string(made).graph.node[1].attribute[0].g
    assert inner.node[0].input[0] == "Add_0_0"
    assert b"/a/path" not in made

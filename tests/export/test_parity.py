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
from release_tool.export import convert, normalise
from release_tool.export.inputs import draw, read_picture
from release_tool.export.measured import Errors, ParityReport
from release_tool.export.parity import make_references, measure_parity
from release_tool.export.run import make_inputs, make_job
from release_tool.recipes.recipe import ParityInput
from release_tool.rehearsal.upstream import MODULE

LEGACY_EXPORTER = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def network(inputs):
    job = make_job("export", inputs.checkpoint, inputs.recipe, full_parity=False)
    built = convert.build_network(MODULE.encode(), job)
    convert.load_tensors(built, inputs.checkpoint.tensors)
    return convert.SelectedOutput(built, 0).eval()


ODD = (ParityInput(37, 53), ParityInput(40, 40))


def references_of(network, inputs, place=Path(), given=ODD):
    return make_references(network, make_inputs(given), place, lambda: None)


@pytest.fixture(scope="module")
def references(network, inputs):
    return references_of(network, inputs)


@pytest.fixture
def measure(references, inputs):
    job = make_job("parity", inputs.checkpoint, inputs.recipe, full_parity=False)

    def call(model: Path, references=references, **bounds) -> ParityReport:
        return measure_parity(
            references, model, job.names, replace(job.bounds, **bounds), lambda: None
        )

    return call


def change(model: Path, path: Path, name: str, factor: float) -> Path:
    proto = onnx.load(model)
    tensor = next(item for item in proto.graph.initializer if item.name == name)
    tensor.raw_data = (np.frombuffer(tensor.raw_data, "<f4") * np.float32(factor)).tobytes()
    path.write_bytes(proto.SerializeToString())
    return path


def test_the_exported_model_agrees_at_odd_sizes(measure, model):
    report = measure(model)
    assert [(item.height, item.width) for item in report.inputs] == [(37, 53), (40, 40)]
    for item in report.inputs:
        assert item.bounds.largest == pytest.approx(3 * item.torch.largest + 1e-7)
        assert item.bounds.mean == pytest.approx(2 * item.torch.mean + 1e-7)
    assert ParityReport.from_json(report.to_json()) == report


def test_what_torch_itself_is_off_by_decides(measure, model, references):
    """The same model is refused where torch in float32 would be exact."""
    exact = [replace(each, torch=Errors(0.0, 0.0)) for each in references]
    with pytest.raises(GateError, match=r"torch in float32 by 0.0e\+00"):
        measure(model, exact, error_floor=1e-9)


@pytest.mark.parametrize("name", ["fuse.weight", "down.0.norm.running_var"])
def test_a_model_of_other_weights_does_not_agree(measure, model, tmp_path, name):
    with pytest.raises(GateError, match=r"drawn at \d+x\d+: ONNX Runtime is off by .*; allowed"):
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
    job = make_job("parity", inputs.checkpoint, inputs.recipe, full_parity=False)
    built = convert.build_network(MODULE.encode(), job)
    convert.load_tensors(built, inputs.checkpoint.tensors)
    with torch.no_grad():
        built.fuse.bias.fill_(bias)  # type: ignore[union-attr, operator]
        built.fuse.weight.mul_(weight)  # type: ignore[union-attr, operator]
    proto = onnx.load(model)
    for item in proto.graph.initializer:
        if item.name == "fuse.bias":
            item.raw_data = np.array([bias], "<f4").tobytes()
        elif item.name == "fuse.weight":
            item.raw_data = (np.frombuffer(item.raw_data, "<f4") * np.float32(weight)).tobytes()
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    saturated = references_of(convert.SelectedOutput(built, 0).eval(), inputs)
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
    first = draw(37, 53)
    assert first.shape == (1, 3, 37, 53)
    assert first.dtype == np.float32
    assert np.array_equal(first, draw(37, 53))
    assert np.isfinite(first).all()
    assert not np.array_equal(first[:, :, :32, :32], draw(32, 32))


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
        ("class U2NETP(", "class U2NETX(", "no network called U2NETP"),
        ("class U2NETP(nn.Module)", "U2NETP = 3\nclass X(nn.Module)", "no network called U2NETP"),
        ("levels - 1)", "levels - 2)", r"0 missing, 7 surplus \(up.4.conv.weight"),
    ],
)
def test_a_checkpoint_of_another_network_is_refused(inputs, old, new, words):
    job = make_job("export", inputs.checkpoint, inputs.recipe, full_parity=False)
    with pytest.raises(InputError, match=words):
        built = convert.build_network(MODULE.replace(old, new).encode(), job)
        convert.check_fit(built, inputs.checkpoint.tensors, job)


@pytest.mark.parametrize("prefix", ["model.", "net.", "wrapped.model."])
def test_a_prefix_that_would_make_the_names_fit_is_named(inputs, prefix):
    job = make_job("export", inputs.checkpoint, inputs.recipe, full_parity=False)
    built = convert.build_network(MODULE.encode(), job)
    renamed = [replace(each, name=prefix + each.name) for each in inputs.checkpoint.tensors]
    with pytest.raises(InputError, match="missing") as caught:
        convert.check_fit(built, renamed, job)
    assert caught.value.hint == f"the network's names begin with {prefix!r}; save them without it"
    with pytest.raises(InputError, match="missing") as caught:
        convert.check_fit(built, renamed[:-9], job)
    assert caught.value.hint is None


def test_a_recipe_that_counts_other_tensors_is_refused(inputs):
    recipe = replace(inputs.recipe, checkpoint=replace(inputs.recipe.checkpoint, tensors=81))
    job = make_job("export", inputs.checkpoint, recipe, full_parity=False)
    with pytest.raises(InputError, match="has 80 tensors, the recipe 81"):
        convert.check_fit(
            convert.build_network(MODULE.encode(), job), inputs.checkpoint.tensors, job
        )


def test_counters_may_be_missing_as_in_old_checkpoints(inputs):
    job = make_job("export", inputs.checkpoint, inputs.recipe, full_parity=False)
    built = convert.build_network(MODULE.encode(), job)
    tensors = [item for item in inputs.checkpoint.tensors if item.dtype == "float32"]
    convert.check_fit(built, tensors, job)
    convert.load_tensors(built, tensors)


@LEGACY_EXPORTER
def test_weights_that_are_equal_do_not_shape_the_graph(inputs, tmp_path):
    """A network whose tensors are all equal gives the pinned skeleton too."""
    job = make_job("export", inputs.checkpoint, inputs.recipe, full_parity=False)
    built = convert.build_network(MODULE.encode(), job)
    with torch.no_grad():
        for tensor in built.state_dict().values():
            tensor.fill_(1)
    raw = convert.trace(built, job, tmp_path / "raw.onnx")
    names = [name for name in built.state_dict() if not name.endswith(convert.COUNTER)]
    skeleton = normalise.normalise(raw, names, "network.", "saliency_map")
    assert Sha256.of_bytes(skeleton) == inputs.recipe.graph.skeletons[0][1]


def raw_graph(kind: int = 1) -> onnx.ModelProto:
    value = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node("Add", ["input", "network.w"], ["out"], doc_string="/a/path")
    graph = onnx.helper.make_graph(
        [node], "g", [value("input", 1, [1]), value("network.w", kind, [1])], [value("out", 1, [1])]
    )
    return onnx.helper.make_model(graph, producer_name="pytorch", doc_string="/a/path")


def test_remarks_and_paths_do_not_survive():
    assert b"/a/path" not in normalise.normalise(raw_graph(), ["w"], "network.", "out")


def test_a_graph_of_other_weights_is_refused():
    with pytest.raises(GateError, match=r"does not read 1 of the checkpoint's tensors \(v\)"):
        normalise.normalise(raw_graph(), ["w", "v"], "network.", "out")


def test_a_weight_of_another_type_is_refused():
    with pytest.raises(GateError, match="other than float32"):
        normalise.normalise(raw_graph(7), ["w"], "network.", "out")


@LEGACY_EXPORTER
def test_an_empty_graph_is_refused(inputs, tmp_path):
    job = make_job("export", inputs.checkpoint, inputs.recipe, full_parity=False)

    class Nothing(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return (image,)

    with pytest.raises(GateError, match=r"empty graph|does not read"):
        normalise.normalise(
            convert.trace(Nothing(), job, tmp_path / "raw.onnx"), ["a"], "network.", "x"
        )

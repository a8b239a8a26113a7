"""The numbers agree, or the gate says where they do not; run in this process."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from release_tool.core.digest import Sha256
from release_tool.core.errors import GateError, InputError
from release_tool.export import convert, normalise
from release_tool.export.measured import ParityReport
from release_tool.export.parity import make_image, measure_parity, plan_sizes
from release_tool.export.run import make_job
from release_tool.rehearsal.upstream import MODULE

LEGACY_EXPORTER = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def network(inputs):
    job = make_job(inputs.checkpoint, inputs.recipe, full_parity=False)
    built = convert.build_network(MODULE.encode(), job)
    convert.load_tensors(built, inputs.checkpoint.tensors)
    return convert.SelectedOutput(built, 0).eval()


@pytest.fixture
def spec(inputs):
    return replace(
        inputs.recipe.parity, float32_sizes=((40, 40),), float64_sizes=((37, 53),), full_sizes=()
    )


@pytest.fixture
def measure(network, spec):
    def call(model: Path, **changes) -> ParityReport:
        return measure_parity(
            network.to(torch.float32), model, replace(spec, **changes), full=False,
            step=lambda: None,
        )  # fmt: skip

    return call


def change(model: Path, path: Path, name: str, factor: float) -> Path:
    proto = onnx.load(model)
    tensor = next(item for item in proto.graph.initializer if item.name == name)
    tensor.raw_data = (np.frombuffer(tensor.raw_data, "<f4") * np.float32(factor)).tobytes()
    path.write_bytes(proto.SerializeToString())
    return path


def test_the_exported_model_agrees_at_odd_sizes(measure, model):
    report = measure(model)
    assert [item.reference for item in report.sizes] == ["float32", "float64"]
    assert max(item.max_difference for item in report.sizes) < 1e-5
    assert ParityReport.from_json(report.to_json()) == report


@pytest.mark.parametrize("name", ["fuse.weight", "down.0.norm.running_var"])
def test_a_model_of_other_weights_does_not_agree(measure, model, tmp_path, name):
    with pytest.raises(GateError, match=r"parity: at \d+x\d+ ONNX Runtime differs from torch"):
        measure(change(model, tmp_path / "m.onnx", name, 1.01))


def test_a_model_that_gives_nan_does_not_agree(measure, model, tmp_path):
    with pytest.raises(GateError, match="differs from torch in float32 by nan"):
        measure(change(model, tmp_path / "m.onnx", "fuse.bias", float("nan")))


def test_a_saturated_output_is_vacuous_by_name(inputs, model, tmp_path):
    job = make_job(inputs.checkpoint, inputs.recipe, full_parity=False)
    built = convert.build_network(MODULE.encode(), job)
    convert.load_tensors(built, inputs.checkpoint.tensors)
    with torch.no_grad():
        built.fuse.bias.mul_(0).add_(100)  # type: ignore[union-attr, operator]
    proto = onnx.load(model)
    tensor = next(item for item in proto.graph.initializer if item.name == "fuse.bias")
    tensor.raw_data = np.array([100], "<f4").tobytes()
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(GateError, match=r"vacuous: 0.00% .* at least 1.00% must"):
        measure_parity(
            convert.SelectedOutput(built, 0), tmp_path / "m.onnx", inputs.recipe.parity,
            full=False, step=lambda: None,
        )  # fmt: skip


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


def test_large_sizes_are_compared_in_float64_only(inputs):
    spec = replace(
        inputs.recipe.parity, float32_sizes=((320, 320),), float64_sizes=((32, 32),),
        full_sizes=((320, 320), (480, 854)),
    )  # fmt: skip
    planned = [(str(kind), height) for kind, height, _, _ in plan_sizes(spec, full=True)]
    assert planned == [("torch.float64", 32), ("torch.float64", 320), ("torch.float64", 480)]
    assert [height for _, height, _, _ in plan_sizes(spec, full=False)] == [320, 32]


def test_test_images_are_the_same_everywhere_and_differ_by_size():
    first = make_image(37, 53)
    assert first.shape == (1, 3, 37, 53)
    assert first.dtype == np.float32
    assert np.array_equal(first, make_image(37, 53))
    assert np.isfinite(first).all()
    assert not np.array_equal(first[:, :, :32, :32], make_image(32, 32))


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
    job = make_job(inputs.checkpoint, inputs.recipe, full_parity=False)
    with pytest.raises(InputError, match=words):
        built = convert.build_network(MODULE.replace(old, new).encode(), job)
        convert.check_fit(built, inputs.checkpoint.tensors, job)


def test_a_recipe_that_counts_other_tensors_is_refused(inputs):
    recipe = replace(inputs.recipe, checkpoint=replace(inputs.recipe.checkpoint, tensors=81))
    job = make_job(inputs.checkpoint, recipe, full_parity=False)
    with pytest.raises(InputError, match="has 80 tensors, the recipe 81"):
        convert.check_fit(
            convert.build_network(MODULE.encode(), job), inputs.checkpoint.tensors, job
        )


def test_counters_may_be_missing_as_in_old_checkpoints(inputs):
    job = make_job(inputs.checkpoint, inputs.recipe, full_parity=False)
    built = convert.build_network(MODULE.encode(), job)
    tensors = [item for item in inputs.checkpoint.tensors if item.dtype == "float32"]
    convert.check_fit(built, tensors, job)
    convert.load_tensors(built, tensors)


@LEGACY_EXPORTER
def test_weights_that_are_equal_do_not_shape_the_graph(inputs, tmp_path):
    """A network whose tensors are all equal gives the pinned skeleton too."""
    job = make_job(inputs.checkpoint, inputs.recipe, full_parity=False)
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
    job = make_job(inputs.checkpoint, inputs.recipe, full_parity=False)

    class Nothing(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return (image,)

    with pytest.raises(GateError, match=r"empty graph|does not read"):
        normalise.normalise(
            convert.trace(Nothing(), job, tmp_path / "raw.onnx"), ["a"], "network.", "x"
        )

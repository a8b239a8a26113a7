"""A model is skeleton + checkpoint, byte for byte, or it is refused."""

import contextlib
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper

from release_tool.core.digest import Sha256
from release_tool.core.errors import GateError
from release_tool.gates.contract import check_contract
from release_tool.gates.lineage import check_lineage
from release_tool.gates.schema import SCHEMA, WIRE_TYPES
from release_tool.gates.skeleton import digest_skeleton, filled, rebuild
from release_tool.gates.wire import encode_varint, header, parse_model

FUZZ = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
Change = Callable[[onnx.ModelProto], object]


def extract_skeleton(content: bytes) -> bytes:
    return b"".join(rebuild(parse_model(content), lambda _initializer: None))


def fill_skeleton(skeleton: bytes, checkpoint: Any, metadata: dict[str, str]) -> bytes:
    return b"".join(filled(skeleton, checkpoint, metadata))


def floats(exported) -> list[Any]:
    return [item for item in exported.checkpoint.tensors if item.dtype == "float32"]


def with_tensors(exported, tensors):
    """Give the checkpoint other tensors."""
    checkpoint = exported.checkpoint
    return replace(checkpoint, state_dict=replace(checkpoint.state_dict, tensors=tuple(tensors)))


def test_a_tensor_that_the_graph_leaves_out_must_be_named_by_the_recipe(exported):
    first = exported.checkpoint.tensors[0]
    more = [*exported.checkpoint.tensors, replace(first, name="head.weight", memory="other")]
    weights = with_tensors(exported, more)
    with pytest.raises(GateError, match=r"lacks 1 \(head.weight\)") as caught:
        check_lineage(exported.model, weights, exported.recipe)
    assert "checkpoint.unused" in str(caught.value.hint)
    pin = replace(exported.recipe.checkpoint, unused=frozenset({"head.weight"}))
    report = check_lineage(exported.model, weights, replace(exported.recipe, checkpoint=pin))
    assert (report.tensors, report.in_place, report.unused) == (81, 80, ("head.weight",))


def test_another_name_for_a_tensor_in_place_is_tied_to_it(exported):
    first = exported.checkpoint.tensors[0]
    weights = with_tensors(exported, [*exported.checkpoint.tensors, replace(first, name="again")])
    report = check_lineage(exported.model, weights, exported.recipe)
    assert (report.tensors, report.in_place, report.tied) == (81, 80, ("again",))


def test_every_tensor_of_the_exported_model_is_in_place(exported):
    report = check_lineage(exported.model, exported.checkpoint, exported.recipe)
    assert report == exported.proof.lineage
    assert (report.tensors, report.in_place) == (80, 80)
    assert (
        report.skeleton
        == exported.recipe.skeletons[0][1]
        == digest_skeleton(parse_model(exported.content))
    )


def test_skeleton_and_checkpoint_give_the_model_back(exported):
    skeleton = extract_skeleton(exported.content)
    metadata = dict(exported.proof.contract.metadata)
    assert Sha256.of_bytes(skeleton) == exported.export.skeleton
    assert fill_skeleton(skeleton, exported.checkpoint, metadata) == exported.content
    assert not any(item.raw_data for item in onnx.load_from_string(skeleton).graph.initializer)


def test_a_skeleton_that_wants_other_tensors_is_refused(exported):
    skeleton = extract_skeleton(exported.content)
    with pytest.raises(GateError, match=r"no tensor for 'down.0.conv.weight'"):
        fill_skeleton(
            skeleton.replace(b"down.0.conv.bias", b"down.0.conv.xxxx"),
            with_tensors(exported, exported.checkpoint.tensors[1:]),
            {},
        )
    with pytest.raises(GateError, match=r"no tensor for 'down.0.conv.xxxx'"):
        renamed = skeleton.replace(b"down.0.conv.bias", b"down.0.conv.xxxx")
        fill_skeleton(renamed, exported.checkpoint, {})
    with pytest.raises(GateError, match="no tensor for"):
        fill_skeleton(exported.content, exported.checkpoint, {})


def test_taking_apart_and_putting_together_changes_no_byte(exported):
    model = parse_model(exported.content)
    same = b"".join(rebuild(model, lambda tensor: tensor.one("raw_data")))
    assert exported.content.startswith(same)


def test_the_initializers_stand_in_the_order_of_the_state_dict(exported):
    model = onnx.load_from_string(exported.content)
    assert [item.name for item in model.graph.initializer] == [
        item.name for item in floats(exported)
    ]
    assert [item.name for item in model.graph.node][:2] == [
        f"{node.op_type}_{i}" for i, node in enumerate(model.graph.node)
    ][:2]


# --- attacks that the contract alone cannot see: the tensors are all there, or the graph looks fine


def find(model: onnx.ModelProto, name: str) -> Any:
    return next(item for item in model.graph.initializer if item.name == name)


def reader(model: onnx.ModelProto, name: str) -> Any:
    return next(item for item in model.graph.node if name in item.input)


def decoy(model: onnx.ModelProto) -> None:
    """Keep the real tensor, read by a node of no effect, and let the network use another."""
    real = find(model, "fuse.weight")
    real_reader = reader(model, "fuse.weight")
    fake = model.graph.initializer.add()
    fake.CopyFrom(real)
    fake.name = "fake"
    fake.raw_data = (-np.frombuffer(real.raw_data, "<f4")).tobytes()
    real_reader.input[1] = "fake"
    model.graph.node.append(helper.make_node("Neg", ["fuse.weight"], ["unused"], name="Neg_x"))


def swap_consumers(model: onnx.ModelProto) -> None:
    first, second = reader(model, "up.0.norm.weight"), reader(model, "up.1.norm.weight")
    for place in range(1, 5):
        first.input[place], second.input[place] = second.input[place], first.input[place]


def swap_contents(model: onnx.ModelProto) -> None:
    first, second = find(model, "up.0.norm.bias"), find(model, "up.1.norm.bias")
    first.raw_data, second.raw_data = second.raw_data, first.raw_data


def swap_names(model: onnx.ModelProto) -> None:
    first, second = find(model, "up.0.norm.bias"), find(model, "up.1.norm.bias")
    first.name, second.name = second.name, first.name


def set_attribute(operator: str, name: str, **values: object) -> Change:
    def change(model: onnx.ModelProto) -> None:
        node = next(item for item in model.graph.node if item.op_type == operator)
        attribute = next(item for item in node.attribute if item.name == name)
        for key, value in values.items():
            if isinstance(value, list):
                getattr(attribute, key)[:] = value
            else:
                setattr(attribute, key, value)

    return change


def flip(model: onnx.ModelProto) -> None:
    tensor = find(model, "side.3.weight")
    raw = bytearray(tensor.raw_data)
    raw[41] ^= 1
    tensor.raw_data = bytes(raw)


def after(operator: str) -> Change:
    """Put another node before the output."""

    def change(model: onnx.ModelProto) -> None:
        last = model.graph.node[-1]
        last.output[0] = "before"
        model.graph.node.append(helper.make_node(operator, ["before"], ["saliency_map"], name="x"))

    return change


def constant(model: onnx.ModelProto) -> None:
    node = next(item for item in model.graph.node if item.op_type == "Constant")
    node.attribute[0].t.raw_data = (3).to_bytes(8, "little")


def skip_sigmoid(model: onnx.ModelProto) -> None:
    model.graph.node[-1].op_type = "Tanh"


def reorder(model: onnx.ModelProto) -> None:
    tensors = list(model.graph.initializer)
    del model.graph.initializer[:]
    model.graph.initializer.extend(tensors[::-1])


def drop(model: onnx.ModelProto) -> None:
    reader(model, "fuse.bias").input.pop()
    model.graph.initializer.remove(find(model, "fuse.bias"))


def reshape(model: onnx.ModelProto) -> None:
    tensor = find(model, "side.0.weight")
    tensor.dims[:] = [1, 8, 9, 1]


def retype(model: onnx.ModelProto) -> None:
    find(model, "side.0.bias").data_type = 6


def duplicate(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(find(model, "fuse.bias"))


KNOWN = "not the known one"
ATTACKS: dict[str, tuple[Change, str]] = {
    "a decoy copy": (decoy, "surplus 1 .fake"),
    "swapped consumers": (swap_consumers, KNOWN),
    "swapped contents": (swap_contents, "up.[01].norm.bias differs from the checkpoint's in"),
    "swapped names": (swap_names, "up.[01].norm.bias differs"),
    "a changed epsilon": (set_attribute("BatchNormalization", "epsilon", f=0.5), KNOWN),
    "another stride": (set_attribute("MaxPool", "strides", ints=[1, 1]), KNOWN),
    "another padding": (set_attribute("Conv", "pads", ints=[0, 0, 2, 2]), KNOWN),
    "another interpolation": (set_attribute("Resize", "mode", s=b"nearest"), KNOWN),
    "a flipped bit": (flip, "side.3.weight differs from the checkpoint's in element 10"),
    "a node more": (after("Neg"), KNOWN),
    "a node of no effect": (after("Identity"), KNOWN),
    "a changed constant": (constant, KNOWN),
    "another activation": (skip_sigmoid, KNOWN),
    "another order of tensors": (reorder, KNOWN),
    "a missing tensor": (drop, "lacks 1 .fuse.bias"),
    "another shape": (reshape, r"side.0.weight has shape \(1, 8, 9, 1\) in the model"),
    "another type": (retype, "side.0.bias is float32 in the checkpoint, not in the model"),
    "a tensor twice": (duplicate, "same name twice"),
    "another producer": (lambda m: setattr(m, "producer_version", "9.9"), "pins no graph for"),
    "a producer that lies": (lambda m: setattr(m, "producer_name", "x"), "pins no graph for .*'x"),
    "no graph": (lambda m: m.ClearField("graph"), "no graph"),
    "a doc string": (lambda m: setattr(m, "doc_string", "hello"), KNOWN),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_on_the_weights_or_the_graph_is_refused(exported, changed, attack):
    change, words = ATTACKS[attack]
    path = changed(change)
    with pytest.raises(GateError, match=words) as caught:
        check_lineage(path, exported.checkpoint, exported.recipe)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "attack", ["a decoy copy", "swapped consumers", "swapped contents", "a changed epsilon"]
)
def test_the_attacks_are_real(exported, changed, attack):
    """The contract and ONNX Runtime accept them, and the output changes."""
    path = changed(ATTACKS[attack][0])
    check_contract(path, exported.recipe)
    image = np.random.default_rng(1).normal(size=(1, 3, 37, 53)).astype(np.float32)

    def output(model: bytes) -> Any:
        return onnxruntime.InferenceSession(model).run(None, {"input": image})[0]

    assert np.abs(output(path.read_bytes()) - output(exported.content)).max() > 1e-4


def test_another_checkpoint_is_told_apart_by_name(exported):
    tensor = floats(exported)[5]
    other = replace(tensor, data=memoryview(bytes(len(tensor.data))))
    tensors = tuple(other if item is tensor else item for item in exported.checkpoint.tensors)
    with pytest.raises(GateError, match=f"{tensor.name} differs .* element 0"):
        check_lineage(exported.model, with_tensors(exported, tensors), exported.recipe)
    short = replace(tensor, data=tensor.data[:-4])
    tensors = tuple(short if item is tensor else item for item in exported.checkpoint.tensors)
    with pytest.raises(GateError, match=f"{tensor.name} differs"):
        check_lineage(exported.model, with_tensors(exported, tensors), exported.recipe)


def test_a_given_skeleton_takes_the_place_of_the_pinned_one(exported):
    with pytest.raises(GateError, match=f"expected sha256:{'0' * 64}"):
        check_lineage(
            exported.model, exported.checkpoint, exported.recipe, skeleton=Sha256("0" * 64)
        )
    unpinned = replace(exported.recipe, skeletons=())
    with pytest.raises(GateError, match=r"pins no graph for the producer 'pytorch 2.13.0'"):
        check_lineage(exported.model, exported.checkpoint, unpinned)
    given = exported.export.skeleton
    check_lineage(exported.model, exported.checkpoint, unpinned, skeleton=given)


def test_metadata_is_no_part_of_the_skeleton(exported, changed):
    path = changed(lambda model: model.metadata_props.add(key="more", value="text"))
    assert digest_skeleton(parse_model(path.read_bytes())) == exported.export.skeleton


def set_metadata(index: int, field: str, value: str):
    return lambda model: setattr(model.metadata_props[index], field, value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_metadata(3, "value", "0" * 64), "metadata entry 3 should be"),
        (set_metadata(4, "value", "0" * 40), "metadata entry 4 should be"),
        (set_metadata(0, "key", "ort_config"), "metadata entry 0 should be"),
        (lambda model: model.metadata_props.add(key="more", value="x"), "says more than it should"),
        (lambda model: model.ClearField("metadata_props"), "entry 0 should be .* is nothing"),
        (lambda model: model.metadata_props.reverse(), "metadata entry 0 should be"),
    ],
)
def test_a_model_that_says_anything_else_about_itself_is_refused(exported, changed, change, words):
    with pytest.raises(GateError, match=words):
        check_lineage(changed(change), exported.checkpoint, exported.recipe)


# --- laws


def accepted(exported, content: bytes, path) -> bool:
    path.write_bytes(content)
    try:
        check_contract(path, exported.recipe)
        check_lineage(path, exported.checkpoint, exported.recipe)
    except GateError:
        return False
    return True


@pytest.mark.usefixtures("unmeasured")
@settings(FUZZ, max_examples=60)
@given(place=st.floats(0, 1), mask=st.integers(1, 255))
def test_no_changed_byte_passes_outside_the_metadata(exported, tmp_path, place, mask):
    content = bytearray(exported.content)
    at = int(place * (len(content) - 1))
    content[at] ^= mask
    if accepted(exported, bytes(content), tmp_path / "m.onnx"):
        assert extract_skeleton(bytes(content)) == extract_skeleton(exported.content)
        assert at >= len(content) - len(exported.content) + exported.content.index(b"model_id") - 4


@pytest.mark.usefixtures("unmeasured")
@settings(FUZZ, max_examples=30)
@given(
    first=st.floats(0, 0.999), length=st.integers(0, 300), insert=st.binary(max_size=8),
    repeat=st.integers(1, 3),
)  # fmt: skip
def test_no_cut_or_insertion_passes(exported, tmp_path, first, length, insert, repeat):
    content = exported.content
    at = min(int(first * len(content)), content.index(b"model_id") - 10)
    mutated = content[:at] + insert * repeat + content[at + length :]
    if mutated != content:
        assert not accepted(exported, mutated, tmp_path / "m.onnx")


@pytest.mark.usefixtures("unmeasured")
@settings(FUZZ, max_examples=40)
@given(st.data())
def test_no_change_of_the_graph_passes(exported, tmp_path, data):
    model = onnx.load_from_string(exported.content)
    nodes = model.graph.node
    index = data.draw(st.integers(0, len(nodes) - 1))
    node = nodes[index]
    match data.draw(st.sampled_from(["operator", "input", "attribute", "drop", "copy", "swap"])):
        case "operator":
            node.op_type = data.draw(
                st.sampled_from(sorted(exported.recipe.contract.limits.operators))
            )
        case "input" if node.input:
            names = [output for item in nodes for output in item.output]
            place = data.draw(st.integers(0, len(node.input) - 1))
            node.input[place] = data.draw(st.sampled_from(names))
        case "attribute" if node.attribute:
            attribute = node.attribute[0]
            attribute.i += 1
            if attribute.ints:
                attribute.ints[0] += data.draw(st.integers(1, 3))
        case "drop":
            nodes.remove(node)
        case "copy":
            nodes.insert(index, node)
        case _:
            first, second = data.draw(st.permutations(range(len(model.graph.initializer))))[:2]
            tensors = model.graph.initializer
            tensors[first].raw_data, tensors[second].raw_data = (
                tensors[second].raw_data, tensors[first].raw_data)  # fmt: skip
    content = model.SerializeToString(deterministic=True)
    if content != exported.content:
        assert not accepted(exported, content, tmp_path / "m.onnx")


@pytest.mark.usefixtures("unmeasured")
@settings(FUZZ, max_examples=300)
@given(st.binary(max_size=400))
def test_any_bytes_are_parsed_or_refused_and_nothing_else(content):
    with contextlib.suppress(GateError):
        parse_model(content)


@given(st.integers(0, 2**64 - 1))
def test_numbers_are_written_as_protobuf_writes_them(number):
    encoded = encode_varint(number)
    parsed = parse_model(b"\x08" + encoded).message.one("ir_version")
    assert parsed % 2**64 == number
    wanted = onnx.ModelProto(ir_version=number - 2**64 if number >= 2**63 else number)
    assert wanted.SerializeToString() == b"\x08" + encoded
    assert header(7, number)[1:] == encoded


def test_numbers_of_32_bits_are_bounded():
    tensor = b"\x10" + encode_varint(2**31)
    graph = header(5, len(tensor)) + tensor
    with pytest.raises(GateError, match="does not fit into 32 bits"):
        parse_model(header(7, len(graph)) + graph)
    with pytest.raises(GateError, match=r"\.f is cut off"):
        attribute = b"\x15\x00"
        node = header(5, len(attribute)) + attribute
        graph = header(1, len(node)) + node
        parse_model(header(7, len(graph)) + graph)


def test_the_table_of_fields_is_that_of_onnx():
    kinds = {1: "double", 2: "float", 3: "int64", 5: "int32", 9: "string", 12: "bytes", 14: "enum"}
    nested = {"TensorType": onnx.TypeProto.Tensor, "Dimension": onnx.TensorShapeProto.Dimension}
    for message, fields in SCHEMA.items():
        kind: Any = nested.get(message, getattr(onnx, message, None))
        descriptor = kind.DESCRIPTOR
        known = {item.number: item for item in descriptor.fields}
        assert known.keys() == fields.keys(), message
        for number, spec in fields.items():
            field = known[number]
            assert spec.name == field.name
            assert spec.repeated == field.is_repeated
            if spec.kind == "unread":
                continue
            target = kinds.get(field.type) or field.message_type.name
            assert spec.kind == {"Tensor": "TensorType"}.get(target, target)
            assert spec.kind in WIRE_TYPES or spec.wire_type == 2


def test_the_proof_needs_no_torch_no_onnx_and_no_numpy(exported):
    """Prove the stand-in in a process in which importing any of them is an error."""
    script = (
        "import sys, pathlib\n"
        "for name in ('torch', 'onnx', 'numpy', 'onnxruntime', 'google.protobuf'):\n"
        "    sys.modules[name] = None\n"
        "from release_tool.core.digest import Sha256\n"
        "from release_tool.gates.contract import check_contract\n"
        "from release_tool.gates.lineage import check_lineage\n"
        "from release_tool.rehearsal.upstream import make_checkpoint, make_recipe\n"
        "from release_tool.checkpoint.reader import open_checkpoint\n"
        "model, file, skeleton = sys.argv[1:]\n"
        "recipe = make_recipe(make_checkpoint())\n"
        "checkpoint = open_checkpoint(pathlib.Path(file), recipe)\n"
        "check_contract(pathlib.Path(model), recipe)\n"
        "report = check_lineage(pathlib.Path(model), checkpoint, recipe,\n"
        "                       skeleton=Sha256.parse(skeleton))\n"
        "print(report.in_place)\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, str(exported.model), str(exported.checkpoint.path),
         str(exported.export.skeleton)],
        check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.strip() == "80"

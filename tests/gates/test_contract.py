"""What a consumer must not load is refused, and the refusal says what is wrong."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from release_tool.core.errors import GateError, InputError
from release_tool.gates.contract import check_contract
from release_tool.gates.metadata import open_metadata, read_metadata
from release_tool.gates.wire import encode_metadata, encode_varint, header


def test_the_exported_model_holds_the_contract(exported):
    report = check_contract(exported.model, exported.recipe)
    assert report == exported.proof.contract
    assert (report.ir_version, report.opset, report.initializers) == (8, 17, 80)
    assert report.producer == "pytorch 2.13.0"
    assert report.known_skeleton == "torch 2.13.0"
    assert report.size == len(exported.content)
    assert "Identity" not in dict(report.operators)
    assert report.nodes == sum(count for _, count in report.operators)
    assert report.parameters == sum(
        len(item.data) // 4 for item in exported.checkpoint.tensors if item.dtype == "float32"
    )
    assert (report.loops, report.subgraph_depth) == (0, 0)


def node(model: onnx.ModelProto, operator: str) -> Any:
    return next(item for item in model.graph.node if item.op_type == operator)


def attribute(model: onnx.ModelProto, operator: str) -> Any:
    return node(model, operator).attribute[0]


def dimension(model: onnx.ModelProto, role: str, index: int) -> Any:
    return getattr(model.graph, role)[0].type.tensor_type.shape.dim[index]


def sequence(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_sequence_value_info(name, TensorProto.FLOAT, [1])


def put(item: object, **values: object) -> None:
    for name, value in values.items():
        setattr(item, name, value)


def both_encodings(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.float_data.extend(np.frombuffer(tensor.raw_data, "<f4"))


def typed_encoding(model: onnx.ModelProto) -> None:
    both_encodings(model)
    model.graph.initializer[0].ClearField("raw_data")


def external(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


def local_function(model: onnx.ModelProto) -> None:
    model.functions.append(
        helper.make_function("", "Relu", ["x"], ["y"], [helper.make_node("Neg", ["x"], ["y"])],
                             [helper.make_opsetid("", 17)])
    )  # fmt: skip


def branch(*nodes: onnx.NodeProto, depth: int = 1) -> onnx.NodeProto:
    """Make an If whose branches nest `depth` deep around some nodes."""
    out = helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)
    body = helper.make_graph(list(nodes), "g", [], [out])
    item = helper.make_node("If", ["flag"], ["inner_out"], then_branch=body, else_branch=body)
    for level in range(depth - 1):
        name = f"level{level}"
        item.output[0] = name
        out = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        body = helper.make_graph([item], "g", [], [out])
        item = helper.make_node("If", ["flag"], ["outer"], then_branch=body, else_branch=body)
    return item


def insert(model: onnx.ModelProto, *nodes: onnx.NodeProto) -> None:
    flag = helper.make_tensor("v", TensorProto.BOOL, [], b"\x01", raw=True)
    model.graph.node.extend([helper.make_node("Constant", [], ["flag"], value=flag), *nodes])


def loops(model: onnx.ModelProto) -> None:
    names = ("i", "c")
    types = (TensorProto.INT64, TensorProto.BOOL)
    inputs = [
        helper.make_tensor_value_info(name, kind, [])
        for name, kind in zip(names, types, strict=True)
    ]
    outputs = [helper.make_tensor_value_info("d", TensorProto.BOOL, [])]
    body = helper.make_graph([helper.make_node("Cast", ["c"], ["d"], to=9)], "g", inputs, outputs)
    insert(model, *[helper.make_node("Loop", ["", "flag"], [], body=body) for _ in range(17)])


def duplicate_metadata(model: onnx.ModelProto) -> None:
    model.metadata_props.add(key="lusoris.model_id", value="another")


ATTACKS = {
    "a local function named like an operator": (local_function, "model-local functions"),
    "external data": (external, "data outside the model"),
    "two encodings of one tensor": (both_encodings, "float_data beside its raw_data"),
    "a typed encoding": (typed_encoding, "has no raw_data"),
    "an unknown operator": (lambda m: put(node(m, "Relu"), op_type="Einsum"), "'Einsum', which"),
    "another domain": (lambda m: put(node(m, "Relu"), domain="com.evil"), "domain 'com.evil'"),
    "an overload": (lambda m: put(node(m, "Relu"), overload="x"), "'with an overload'"),
    "another input name": (lambda m: put(m.graph.input[0], name="image"), "input is 'image'"),
    "a second input": (
        lambda m: m.graph.input.append(helper.make_tensor_value_info("more", 1, [1])),
        "input is 'input', 'more'",
    ),
    "no output": (lambda m: m.graph.ClearField("output"), "output is nothing"),
    "a second output": (
        lambda m: m.graph.output.append(helper.make_tensor_value_info("more", 1, [1])),
        "output is 'saliency_map', 'more'",
    ),
    "an input of float16": (
        lambda m: put(m.graph.input[0].type.tensor_type, elem_type=10), "element type 10"),
    "a fixed height": (lambda m: put(dimension(m, "input", 2), dim_value=320), r"3, 320, W\]"),
    "one name for both axes": (lambda m: put(dimension(m, "output", 3), dim_param="H"), "H, H"),
    "four channels": (lambda m: put(dimension(m, "input", 1), dim_value=4), "1, 4, H, W"),
    "a batch of any size": (lambda m: put(dimension(m, "input", 0), dim_param="N"), "N, 3, H, W"),
    "a nameless axis": (lambda m: dimension(m, "input", 2).Clear(), r"3, \?, W"),
    "an axis of a denotation": (lambda m: put(dimension(m, "input", 2), denotation="X"), r"\?"),
    "a denotation": (lambda m: put(m.graph.input[0].type, denotation="IMAGE"), "not a plain"),
    "an input without a type": (lambda m: m.graph.input[0].ClearField("type"), "not a plain"),
    "an input that is a sequence": (
        lambda m: m.graph.input[0].CopyFrom(sequence("input")),
        "not a plain tensor",
    ),
    "another opset": (lambda m: put(m.opset_import[0], version=18), "opset ai.onnx 18 instead"),
    "an opset more": (
        lambda m: m.opset_import.append(helper.make_opsetid("com.evil", 1)), "com.evil 1"),
    "no opset": (lambda m: m.ClearField("opset_import"), "opset none"),
    "another IR version": (lambda m: put(m, ir_version=10), "IR version 10 instead of 8"),
    "no graph": (lambda m: m.ClearField("graph"), "no graph"),
    "training information": (lambda m: m.training_info.add(), "training information"),
    "a sparse initializer": (lambda m: m.graph.sparse_initializer.add(), "sparse initializers"),
    "an annotation": (lambda m: m.graph.quantization_annotation.add(), "quantisation annotations"),
    "metadata in the graph": (lambda m: m.graph.metadata_props.add(key="a", value="b"), "metadata"),
    "metadata in a node": (
        lambda m: node(m, "Relu").metadata_props.add(key="a", value="b"), "metadata_props"),
    "metadata twice": (duplicate_metadata, "key 'lusoris.model_id' twice"),
    "metadata without a value": (lambda m: m.metadata_props.add(key="x"), "lacks its key"),
    "much metadata": (
        lambda m: [m.metadata_props.add(key=str(i), value="") for i in range(65)], "more than 64"),
    "a decoy tensor": (
        lambda m: m.graph.initializer.add(name="decoy", dims=[1], data_type=1, raw_data=bytes(4)),
        "tensor 'decoy', which no node reads",
    ),
    "a tensor of a taken name": (
        lambda m: m.graph.initializer.append(m.graph.initializer[0]), "a second time"),
    "a tensor that shadows the input": (
        lambda m: m.graph.initializer.add(name="input", dims=[1], data_type=1, raw_data=bytes(4)),
        "'input' a second time",
    ),
    "a tensor without a name": (
        lambda m: m.graph.initializer.add(dims=[1], data_type=1, raw_data=bytes(4)),
        "value without a name",
    ),
    "a value made twice": (
        lambda m: m.graph.node.append(m.graph.node[3]),
        "a second time",
    ),
    "a value read before it is made": (
        lambda m: m.graph.node.insert(0, m.graph.node.pop()), "which nothing has made yet"),
    "an output that nothing computes": (
        lambda m: m.graph.node[-1].output.__setitem__(0, "other"), "no node computes the output"),
    "an attribute with two values": (lambda m: put(attribute(m, "Conv"), i=3), "i beside its"),
    "an attribute without a type": (lambda m: attribute(m, "Conv").ClearField("type"), "type 0"),
    "an attribute without a value": (
        lambda m: attribute(m, "Constant").ClearField("t"), "lacks its value in t"),
    "a reference to an attribute": (
        lambda m: put(attribute(m, "Conv"), ref_attr_name="x"), "ref_attr_name beside"),
    "an attribute twice": (
        lambda m: node(m, "Conv").attribute.append(attribute(m, "Conv")), "twice or without"),
    "a tensor cut short": (
        lambda m: put(m.graph.initializer[0], raw_data=b"1234"), "has 4 bytes instead of 864"),
    "a tensor in segments": (
        lambda m: put(m.graph.initializer[0].segment, begin=0, end=1), "segment beside"),
    "a negative dimension": (
        lambda m: m.graph.initializer[0].dims.__setitem__(0, -8), "impossible dimensions"),
    "a tensor of strings": (
        lambda m: put(m.graph.initializer[0], data_type=8), "element type 8"),
    "a forbidden operator in a branch": (
        lambda m: insert(m, branch(helper.make_node("Einsum", ["input"], ["inner"]))), "'Einsum'"),
    "a branch that reads nothing's value": (
        lambda m: insert(m, branch(helper.make_node("Relu", ["ghost"], ["inner"]))), "'ghost'"),
    "a branch that hides a value": (
        lambda m: insert(m, branch(helper.make_node("Relu", ["input"], ["flag"]))), "'flag' a sec"),
    "branches nested too deep": (
        lambda m: insert(m, branch(helper.make_node("Relu", ["input"], ["inner"]), depth=9)),
        "more than 8 levels",
    ),
    "too many loops": (loops, "more than 16 Loop nodes"),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_refused_by_what_it_does(exported, changed, attack):
    change, words = ATTACKS[attack]
    with pytest.raises(GateError, match=words) as caught:
        check_contract(changed(change), exported.recipe)
    assert "\n" not in caught.value.message


def test_branches_and_loops_within_the_limits_are_accepted(exported, changed):
    inner = branch(helper.make_node("Relu", ["input"], ["inner"]), depth=8)
    report = check_contract(changed(lambda m: insert(m, inner)), exported.recipe)
    assert report.subgraph_depth == 8
    assert report.known_skeleton is None


def test_a_tensor_that_only_a_branch_reads_is_no_decoy(exported, changed):
    def change(model):
        model.graph.initializer.add(name="extra", dims=[1], data_type=1, raw_data=bytes(4))
        insert(model, branch(helper.make_node("Relu", ["extra"], ["inner"]), depth=2))

    check_contract(changed(change), exported.recipe)


def graph_bytes(content: bytes) -> bytes:
    model = onnx.load_from_string(content)
    graph = model.graph.SerializeToString(deterministic=True)
    return header(7, len(graph)) + bytes(graph)


def unknown_inside(content: bytes) -> bytes:
    """Put an unknown field at the end of the first opset entry."""
    return content.replace(b"B\x02\x10\x11", b"B\x06\x10\x11" + encode_varint(99 << 3) + b"\x01", 1)


WIRE_ATTACKS = {
    "a second graph": (lambda c: c + graph_bytes(c), "graph stands twice"),
    "a second version": (lambda c: c + b"\x08\x08", "ir_version stands twice"),
    "an unknown field": (lambda c: c + encode_varint(99 << 3) + b"\x01", "not know, number 99"),
    "an unknown field inside": (unknown_inside, r"opset_import\[0\] has a field that"),
    "field zero": (lambda c: c + b"\x00\x01", "number 0"),
    "trailing bytes": (lambda c: c + bytes(100), "number 0"),
    "half a field": (lambda c: c + b"\x72\x7f", "cut off"),
    "a truncated file": (lambda c: c[: len(c) // 2], "cut off"),
    "fields out of order": (lambda c: c + b"B\x02\x10\x11", "opset_import.* stands out of order"),
    "a long number": (lambda c: b"\x08\x88\x00" + c[2:], "not in its shortest form"),
    "a number without an end": (lambda c: b"\x08" + b"\xff" * 12, "more than 64 bits"),
    "a number that overflows": (lambda c: b"\x08" + b"\xff" * 9 + b"\x02" + c[2:], "shortest form"),
    "a number cut off": (lambda c: b"\x08\x80", "cut off"),
    "another wire type": (lambda c: b"\x0d\x08\x00\x00\x00" + c[2:], "wire type 5 instead of 0"),
    "a group": (lambda c: b"\x0b\x0c" + c[2:], "wire type 3"),
    "text that is not UTF-8": (lambda c: c.replace(b"pytorch", b"pyt\xff\xferc", 1), "not UTF-8"),
    "an endless text": (
        lambda c: c[:2] + header(2, 70_000) + bytes(70_000) + c[2:], "longer than 65536"),
}  # fmt: skip


@pytest.mark.parametrize("attack", WIRE_ATTACKS)
def test_anything_but_the_canonical_wire_form_is_refused(exported, tmp_path, attack):
    change, words = WIRE_ATTACKS[attack]
    (tmp_path / "model.onnx").write_bytes(change(exported.content))
    with pytest.raises(GateError, match=words):
        check_contract(tmp_path / "model.onnx", exported.recipe)


@pytest.mark.parametrize("attack", WIRE_ATTACKS)
def test_the_metadata_is_read_as_strictly_although_the_graph_is_not_looked_into(exported, attack):
    change, words = WIRE_ATTACKS[attack]
    with pytest.raises(GateError, match=words):
        read_metadata(change(exported.content))


@pytest.mark.parametrize(
    ("added", "words"),
    [
        ((("one", "1"), ("one", "2")), "has the key 'one' twice"),
        (((f"key {n}", "") for n in range(60)), "more than 64 entries"),
    ],
)
def test_metadata_that_two_readers_could_read_differently_is_refused(exported, added, words):
    with pytest.raises(GateError, match=words):
        read_metadata(exported.content + encode_metadata(iter(added)))


@pytest.mark.parametrize(
    "attack", ["a second version", "an unknown field", "fields out of order", "a long number"]
)
def test_the_attacks_on_the_wire_form_are_real(exported, attack):
    """ONNX Runtime loads what is refused here."""
    onnxruntime.InferenceSession(WIRE_ATTACKS[attack][0](exported.content))


def test_a_model_larger_than_the_consumer_takes_is_refused_unread(exported, tmp_path):
    with (tmp_path / "huge.onnx").open("wb") as stream:
        stream.truncate(2**31 - 1)
    with pytest.raises(GateError, match="2147483647 bytes, the consumer takes at most 52428800"):
        check_contract(tmp_path / "huge.onnx", exported.recipe)
    with (tmp_path / "huge.onnx").open("wb") as stream:
        stream.truncate(2**31)
    with pytest.raises(GateError, match="larger than the 2 GiB"):
        check_contract(tmp_path / "huge.onnx", exported.recipe)


def test_an_empty_and_a_missing_file_are_refused(exported, tmp_path):
    (tmp_path / "empty.onnx").touch()
    with pytest.raises(GateError, match="is empty"):
        check_contract(tmp_path / "empty.onnx", exported.recipe)
    with pytest.raises(InputError, match="cannot read"):
        check_contract(tmp_path / "missing.onnx", exported.recipe)


def test_a_file_of_countless_fields_is_refused_early(exported, tmp_path):
    names = b"\x0a\x00" * 300_000
    body = header(1, len(names)) + names
    (tmp_path / "many.onnx").write_bytes(b"\x08\x08" + header(7, len(body)) + body)
    with pytest.raises(GateError, match="more than 80000 fields"):
        check_contract(tmp_path / "many.onnx", exported.recipe)


def test_messages_nested_without_end_are_refused(exported, tmp_path):
    body = b""
    for _ in range(40):  # a graph in an attribute in a node in a graph …
        body = header(6, len(body)) + body
        body = header(5, len(body)) + body
        body = header(1, len(body)) + body
    (tmp_path / "deep.onnx").write_bytes(b"\x08\x08" + header(7, len(body)) + body)
    with pytest.raises(GateError, match="messages deep"):
        check_contract(tmp_path / "deep.onnx", exported.recipe)


def test_a_model_of_countless_nodes_is_refused(exported, changed):
    def change(model):
        model.graph.node.extend([helper.make_node("Relu", ["input"], [])] * 10_001)

    with pytest.raises(GateError, match="more than 10000 nodes"):
        check_contract(changed(change), exported.recipe)


def test_metadata_is_read_without_onnx(exported):
    metadata = read_metadata(exported.content)
    assert metadata == open_metadata(exported.model) == dict(exported.proof.contract.metadata)
    assert metadata["lusoris.model_id"] == exported.recipe.model_id
    assert metadata["lusoris.upstream_commit"] == str(exported.recipe.upstream.commit)
    assert metadata["lusoris.upstream_checkpoint_sha256"] == exported.checkpoint.digest.hex
    assert "section 4(b)" in metadata["lusoris.conversion"]


def test_a_large_model_is_checked_in_bounded_memory_without_onnx(exported, tmp_path):
    """A tensor of 1 GiB (a hole in a file) costs nothing: its bytes are never touched."""
    model = onnx.load_from_string(exported.content)
    node(model, "Conv").input[1] = "big"
    size = 2**30
    tensor = b"\x08" + encode_varint(size // 4) + b"\x10\x01B\x03big"
    tensor += b"\x4a" + encode_varint(size)
    entry = header(5, len(tensor) + size) + tensor
    graph = model.graph.SerializeToString(deterministic=True)
    # The new initializer stands behind the others, before the input (field 11) that follows them.
    at = graph.rindex(header(11, len(model.graph.input[0].SerializeToString())))
    path = tmp_path / "big.onnx"
    whole = len(graph) + len(entry) + size
    with path.open("wb") as stream:
        stream.write(exported.content[: exported.content.index(b"2.13.0") + 6])
        stream.write(header(7, whole) + graph[:at] + entry)
        stream.seek(size, 1)
        stream.write(graph[at:] + b"B\x02\x10\x11")
    script = (
        "import sys, pathlib, dataclasses\n"
        "from release_tool.gates.contract import check_contract\n"
        "from release_tool.recipes.u2netp import U2NETP\n"
        "contract = dataclasses.replace(U2NETP.contract, max_model_bytes=2**31)\n"
        "recipe = dataclasses.replace(U2NETP, contract=contract)\n"
        "try:\n"
        "    check_contract(pathlib.Path(sys.argv[1]), recipe)\n"
        "except Exception as error:\n"
        "    assert 'which no node reads' in str(error), error\n"
        "else:\n"
        "    raise SystemExit('the replaced weight should have no reader')\n"
        "assert not {'onnx', 'torch', 'numpy'} & set(sys.modules)\n"
        "lines = open('/proc/self/status').read().splitlines()\n"
        "peak = next(line for line in lines if line.startswith('VmHWM'))\n"
        "assert int(peak.split()[1]) < 100 * 1024, peak\n"
    )
    subprocess.run([sys.executable, "-P", "-c", script, str(path)], check=True, timeout=60)


def test_the_metadata_of_a_large_model_costs_neither_time_nor_memory(exported, tmp_path):
    """The graph is a hole of 1 GiB in a file: whoever reads it takes seconds."""
    size = 2**30
    path = tmp_path / "large.onnx"
    with path.open("wb") as stream:
        stream.write(b"\x08\x08" + header(7, size))
        stream.seek(size, 1)
        stream.write(encode_metadata(iter([("made_by", "a test")])))
    script = (
        "import resource, sys, pathlib\n"
        "from release_tool.gates.metadata import open_metadata\n"
        "before = resource.getrusage(resource.RUSAGE_SELF)\n"
        "assert open_metadata(pathlib.Path(sys.argv[1])) == {'made_by': 'a test'}\n"
        "after = resource.getrusage(resource.RUSAGE_SELF)\n"
        "assert after.ru_utime - before.ru_utime < 0.05\n"
        "assert after.ru_maxrss - before.ru_maxrss < 4 * 1024\n"
    )
    subprocess.run([sys.executable, "-P", "-c", script, str(path)], check=True, timeout=60)


def test_a_recipe_of_other_limits_is_obeyed(exported):
    contract = replace(exported.recipe.contract, forbid=frozenset({"Resize"}))
    with pytest.raises(GateError, match="which the consumer does not allow"):
        check_contract(exported.model, replace(exported.recipe, contract=contract))

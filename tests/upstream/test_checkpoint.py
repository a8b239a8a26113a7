"""Checkpoints are opened without torch, without running code, and every odd one is refused."""

import contextlib
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import warnings
import zipfile
from argparse import Namespace
from collections import Counter, OrderedDict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from release_tool.checkpoint import storages
from release_tool.checkpoint.formats import Format, recognise
from release_tool.checkpoint.hygiene import is_finite
from release_tool.checkpoint.reader import Checkpoint, open_checkpoint
from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError
from release_tool.recipes.recipe import Recipe, StateDictPlace
from release_tool.recipes.u2netp import U2NETP
from release_tool.rehearsal.upstream import make_checkpoint, make_tensors

STATE = OrderedDict(
    [
        ("a.weight", torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)),
        ("a.running_var", torch.ones(3)),
        ("a.num_batches_tracked", torch.tensor(7)),
        ("b.bias", torch.tensor([0.5, -0.25])),
    ]
)
EMPTY_ARCHIVE = b"PK\x05\x06" + bytes(18)


def save(value: object, *, legacy: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


@pytest.fixture
def opened(tmp_path):
    def read(content: bytes, name: str = "u2netp.pth", recipe: Recipe = U2NETP) -> Checkpoint:
        path = tmp_path / name
        path.write_bytes(content)
        return open_checkpoint(path, recipe, pinned=False)

    return read


@pytest.fixture
def refused(opened):
    def check(content: bytes, words: str) -> InputError:
        with pytest.raises(InputError, match=words) as caught:
            opened(content)
        assert "\n" not in caught.value.message
        assert "weights_only" not in f"{caught.value.message} {caught.value.hint}"
        return caught.value

    return check


def same_as_torch(checkpoint: Checkpoint, state: dict[str, torch.Tensor]) -> bool:
    assert [tensor.name for tensor in checkpoint.tensors] == list(state)
    for tensor, expected in zip(checkpoint.tensors, state.values(), strict=True):
        assert tensor.shape == tuple(expected.shape)
        assert tensor.dtype == str(expected.dtype).removeprefix("torch.")
        assert bytes(tensor.data) == expected.numpy().tobytes()
    return True


@pytest.mark.parametrize("legacy", [False, True])
def test_what_torch_saves_is_read_as_torch_reads_it(opened, legacy):
    assert same_as_torch(opened(save(STATE, legacy=legacy)), STATE)


def test_containers_names_prefixes_and_nests_do_not_change_the_digest_of_the_tensors(opened):
    parallel = OrderedDict((f"module.{name}", value) for name, value in STATE.items())
    forms = [
        save(STATE),
        save(STATE, legacy=True),
        save(dict(STATE)),
        save(parallel),
        save({"epoch": 3, "loss": 0.5, "state_dict": parallel, "note": ["x", (1, None, True)]}),
        save({"model": {"state_dict": STATE}}, legacy=True),
        save({f"_orig_mod.module.{name}": value for name, value in STATE.items()}),
        save({f"module._orig_mod.{name}": value for name, value in STATE.items()}),
        save(OrderedDict((name, torch.nn.Parameter(value, requires_grad=False))
                         for name, value in STATE.items())),
    ]  # fmt: skip
    digests = {opened(form, f"name{i}.pth").tensors_digest for i, form in enumerate(forms)}
    assert len(digests) == 1
    assert len({opened(form).digest for form in forms}) == len(forms)


def test_the_digest_of_the_tensors_is_what_its_documentation_says(opened):
    expected = b"".join(
        f"{name} {str(value.dtype)[6:]} {'x'.join(map(str, value.shape)) or 'scalar'} "
        f"{value.nbytes}\n".encode()
        + value.numpy().tobytes()
        for name, value in STATE.items()
    )
    assert opened(save(STATE)).tensors_digest == Sha256.of_bytes(expected)


def test_a_state_dict_of_a_module_with_metadata_is_read(opened):
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    for legacy in (False, True):
        state = module.state_dict()
        assert same_as_torch(opened(save(state, legacy=legacy)), state)


def test_views_into_one_storage_are_read_where_they_lie(opened):
    whole = torch.arange(12, dtype=torch.float32)
    state = OrderedDict(a=whole[:4].reshape(2, 2), b=whole[4:])
    for legacy in (False, True):
        assert same_as_torch(opened(save(state, legacy=legacy)), state)


def test_every_protocol_of_pickle_is_read(opened):
    buffer = io.BytesIO()
    torch.save(STATE, buffer, pickle_protocol=4)
    assert same_as_torch(opened(buffer.getvalue()), STATE)


def test_the_stand_in_checkpoint_is_one_that_torch_accepts(opened):
    state = torch.load(io.BytesIO(make_checkpoint()), weights_only=True)
    plain = OrderedDict((name.removeprefix("module."), value) for name, value in state.items())
    assert same_as_torch(opened(make_checkpoint()), plain)
    assert list(plain) == [tensor.name for tensor in make_tensors()]


# --- the pin


def test_a_pinned_checkpoint_is_accepted_and_another_is_not(tmp_path, pristine):
    recipe = pristine.recipe
    assert open_checkpoint(pristine.checkpoint, recipe).digest == recipe.checkpoint.sha256
    (tmp_path / "other.pth").write_bytes(save(STATE))
    with pytest.raises(InputError, match=f"pins {recipe.checkpoint.sha256}") as caught:
        open_checkpoint(tmp_path / "other.pth", recipe)
    assert "--unpinned-checkpoint" in str(caught.value.hint)


def test_a_pinned_checkpoint_that_is_something_else_is_called_by_name(tmp_path, pristine):
    (tmp_path / "page.pth").write_bytes(b"<!DOCTYPE html><html><title>Google Drive</title>")
    with pytest.raises(InputError, match="HTML page"):
        open_checkpoint(tmp_path / "page.pth", pristine.recipe)


# --- files that are no checkpoints


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"  \n<!DOCTYPE html><html>quota</html>", "an HTML page"),
        (b"<html>", "an HTML page"),
        (b'{"error": 403}', "a JSON document"),
        (b"quota exceeded", "a text"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:", "a Git LFS pointer"),
        (b"\x1f\x8b\x08\x00", "a gzip archive"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"\x08\x08\x12\x07pytorch:\x00", "an ONNX model"),
        (bytes(range(200, 256)), "nothing that torch writes"),
        (b"\x80\x02K\x01.", "a bare pickle that torch did not write: it holds no tensors"),
        (pickle.dumps({"a": [1, 2.5, "x", None, {3}]}, 2), "could run code"),
        (pickle.dumps({"a": [1, 2.5, (b"x", None)]}, 4), "it holds no tensors"),
        (EMPTY_ARCHIVE, "nothing that torch writes"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_called_what_it_is(refused, content, words):
    refused(content, words)


def test_a_missing_file_a_directory_and_a_fifo_are_refused(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "missing.pth", tmp_path, tmp_path / "fifo"):
        with pytest.raises(InputError, match="cannot read"):
            open_checkpoint(path, U2NETP)


def test_a_file_of_more_than_two_gibibytes_is_refused(tmp_path):
    with (tmp_path / "huge.pth").open("wb") as stream:
        stream.truncate(2**31)
    with pytest.raises(InputError, match="larger than 2 GiB"):
        open_checkpoint(tmp_path / "huge.pth", U2NETP)


def test_a_torchscript_archive_is_refused_by_name(refused):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = torch.jit.trace(torch.nn.Conv2d(3, 1, 1), torch.zeros(1, 3, 4, 4))
        buffer = io.BytesIO()
        torch.jit.save(scripted, buffer)
    refused(buffer.getvalue(), "a TorchScript archive")


def test_a_whole_pickled_module_is_refused(refused):
    for legacy in (False, True):
        refused(save(torch.nn.Conv2d(3, 1, 1), legacy=legacy), "could run code")


def test_of_two_state_dicts_none_is_chosen(refused):
    both = save({"ema": STATE, "epoch": 3, "model": STATE})
    error = refused(both, "holds 2 state dicts: ema, model")
    assert 'key = "ema" in [checkpoint.state_dict]' in str(error.hint)


@pytest.mark.parametrize("value", [[1, 2], 5, {}, {"a": 1}, {"state_dict": {}}, torch.ones(2)])
def test_a_checkpoint_without_a_state_dict_is_refused(refused, value):
    refused(save(value), "no state dict|is not a tensor")


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_checkpoint_is_refused(refused, legacy, kept):
    content = save(STATE, legacy=legacy)
    refused(content[: int(len(content) * kept)], "cut off|ends too early|list of storages|end")


def test_bytes_behind_a_legacy_checkpoint_are_refused(refused):
    refused(save(STATE, legacy=True) + b"x", "1 bytes behind its last tensor")


# --- code in a pickle


class Evil:
    """Pickles as a call that would leave a witness behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("form", ["zip", "legacy", "raw", "raw0", "raw5"])
def test_code_in_a_pickle_is_refused_by_name_and_never_run(refused, tmp_path, form):
    evil = Evil(tmp_path / "witness")
    content = {
        "zip": lambda: save({"state_dict": {"a.weight": evil}, "x": 1}),
        "legacy": lambda: save({"state_dict": {"a.weight": evil}, "x": 1}, legacy=True),
        "raw": lambda: pickle.dumps(evil, 2),
        "raw0": lambda: pickle.dumps(evil, 0),
        "raw5": lambda: pickle.dumps(evil, 5),
    }[form]()
    refused(content, "asks for '(posix|nt).system'")
    assert not (tmp_path / "witness").exists()


@pytest.mark.parametrize(
    "code",
    [
        b"ctorch\nload\n", b"ctorch._utils\n_rebuild_sparse_tensor\n", b"cbuiltins\neval\n",
        b"ctorch.storage\n_load_from_bytes\n", b"ccollections\nOrderedDict.fromkeys\n",
        b"\x8c\x05posix\x8c\x06system\x93", b"c__main__\nU2NETP\n",
    ],
)  # fmt: skip
def test_no_global_beyond_the_table_is_accepted(refused, code):
    refused(zip_of(b"\x80\x02" + code + b"."), "could run code")


@pytest.mark.parametrize(
    "code",
    [b"\x82\x01", b"\x83\x01\x00", b"\x84\x01\x00\x00\x00", b"i" + b"os\nsystem\n", b"(o",
 b"P0\n", b"\x97", b"\xff"],
)  # fmt: skip
def test_opcodes_that_could_make_objects_are_refused(refused, code):
    refused(zip_of(b"\x80\x02" + code + b"."), "opcode")


@pytest.mark.parametrize("legacy", [False, True])
def test_what_lies_beside_the_state_dict_is_no_obstacle_and_never_run(opened, tmp_path, legacy):
    """A training loop's file: optimiser, numbers of NumPy's, options; and a call to the shell."""
    parameter = torch.nn.Parameter(torch.ones(2))
    optimiser = torch.optim.Adam([parameter])
    parameter.sum().backward()
    optimiser.step()
    file = save(
        {
            "epoch": 3,
            "loss": np.float64(0.5),
            "seen": {1, 2},
            "shape": torch.Size([2, 3]),
            "curve": np.arange(3),
            "hyper_parameters": Namespace(width=8, name="x"),
            "counts": Counter("abc"),
            ("a", "tuple"): b"bytes",
            "optimizer_states": [optimiser.state_dict()],
            "callbacks": {"best": {"score": torch.tensor(0.5)}},
            "x": Evil(tmp_path / "witness"),
            "state_dict": STATE,
        },
        legacy=legacy,
    )
    read = opened(file)
    assert same_as_torch(read, STATE)
    assert read.state_dict.place == StateDictPlace("state_dict")
    assert {"epoch", "optimizer_states", "x"} < set(read.state_dict.beside)
    assert {"argparse.Namespace", "posix.system"} < set(read.state_dict.foreign)
    assert not (tmp_path / "witness").exists()


def test_an_entry_that_is_no_plain_tensor_is_refused_by_what_would_make_it(refused):
    sparse = torch.eye(3).to_sparse()
    refused(save({**STATE, "s": sparse}), "'s' is made by 'torch._utils._rebuild_sparse_tensor'")


# --- where the state dict lies


def placed(opened, content: bytes, **place: str) -> Checkpoint:
    pin = replace(U2NETP.checkpoint, state_dict=StateDictPlace(**place))
    read: Checkpoint = opened(content, recipe=replace(U2NETP, checkpoint=pin))
    return read


def test_a_key_chooses_one_of_several_state_dicts(opened):
    other = OrderedDict((name, value + 1) for name, value in STATE.items())
    both = save({"ema": {"module": STATE}, "model": other, "a.b": STATE})
    assert same_as_torch(placed(opened, both, key="ema.module"), STATE)
    assert same_as_torch(placed(opened, both, key="model"), other)
    assert same_as_torch(placed(opened, both, key="a.b"), STATE)
    with pytest.raises(InputError, match=r"the key 'net'; there are the keys ema, model, a.b"):
        placed(opened, both, key="net")


def test_a_prefix_chooses_names_and_is_cut_off(opened):
    both = {f"model.{name}": value for name, value in STATE.items()} | {"loss.w": torch.ones(3)}
    read = placed(opened, save({"state_dict": both, "epoch": 1}), prefix="model.")
    assert same_as_torch(read, STATE)
    assert read.state_dict.beside == ("loss.w", "epoch")
    with pytest.raises(InputError, match=r"no names that begin with 'net.'; it has model.a.weight"):
        placed(opened, save(both), prefix="net.")


def test_of_two_depths_the_shallower_is_meant(opened):
    content = save({"state_dict": STATE, "callbacks": {"best": {"a": torch.ones(1)}}})
    assert same_as_torch(opened(content), STATE)


# --- tensors that lie otherwise


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.int64, torch.uint8])
def test_a_tensor_with_strides_of_its_own_is_read_in_c_order(opened, legacy, dtype):
    whole = torch.arange(120).to(dtype).reshape(2, 3, 4, 5)
    state = OrderedDict(
        last=whole.contiguous(memory_format=torch.channels_last),
        turned=whole.permute(3, 0, 2, 1),
        every_other=whole[:, :, ::2, 1:4],
        column=whole[0, 0, :, 2],
    )
    read = opened(save(state, legacy=legacy))
    assert same_as_torch(read, {name: value.contiguous() for name, value in state.items()})


def test_two_names_of_one_tensor_are_known_as_such(opened):
    shared = torch.ones(3)
    first, second, third = opened(save({"a": shared, "b": shared, "c": torch.ones(3)})).tensors
    assert first.memory == second.memory != third.memory


def test_a_tensor_whose_elements_lie_far_apart_is_refused(refused, monkeypatch):
    monkeypatch.setattr(storages, "MAX_RUNS", 3)
    refused(save({"a": torch.ones(4, 5).t()}), "elements lie far apart")


# --- safetensors


def safetensors(table: dict[str, object] | bytes, body: bytes = bytes(16)) -> bytes:
    header = table if isinstance(table, bytes) else json.dumps(table).encode()
    return struct.pack("<Q", len(header)) + header + body


def line(start: int = 0, stop: int = 16, kind: str = "F32", shape: object = (2, 2)) -> object:
    return {"dtype": kind, "shape": shape, "data_offsets": [start, stop]}


def test_a_safetensors_file_is_read(opened):
    body = b"".join(value.numpy().tobytes() for value in STATE.values())
    kinds = {torch.float32: "F32", torch.int64: "I64"}
    table: dict[str, object] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, value in STATE.items():
        table[name] = line(at, at + value.nbytes, kinds[value.dtype], list(value.shape))
        at += value.nbytes
    read = opened(safetensors(table, body), "net.safetensors")
    assert same_as_torch(read, STATE)
    assert read.tensors_digest == opened(save(STATE)).tensors_digest
    padded = json.dumps(table).encode() + b"   "
    assert same_as_torch(opened(safetensors(padded, body)), STATE)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (b'{"a": 1, "a": 2}', "duplicate|twice"),
        (b'{"a": ', "JSON"),
        ({"a": 1}, "described oddly"),
        ({"a": line(0, 8)}, "not the bytes of its shape"),
        ({"a": line(0, 16, "F4")}, "has the element type 'F4'"),
        ({"a": line(shape=[2, -2])}, "impossible shape"),
        ({"a": line(shape=[2, True])}, "impossible shape"),
        ({"a": line(shape=[1] * 17)}, "impossible shape"),
        ({"a": line(shape=[0], stop=0)}, "impossible shape"),
        ({"a": line(), "b": line()}, "'b' does not begin where the last one ends"),
        ({"a": line(4, 20)}, "'a' does not begin where the last one ends"),
        ({"a": line(0, 4, shape=[1])}, "end at byte 4 of 16"),
        ({"a": line(0, 20, shape=[5])}, "end at byte 20 of 16, or the file is cut off"),
        ({"__metadata__": {}}, "end at byte 0 of 16"),
    ],
)
def test_a_safetensors_file_that_lies_is_refused(refused, table, words):
    refused(safetensors(table), words)


def test_a_safetensors_file_with_a_table_that_is_cut_off_or_too_long_is_refused(refused):
    refused(struct.pack("<Q", 40) + b'{"a":' + bytes(36), "table of the safetensors file|JSON")
    content = safetensors({"a": line(), "z": "x" * 100})
    refused(content[:60] + b"", "nothing that torch writes|too long, or the file is cut off")


# --- lies in a pickle

ORDERED = b"ccollections\nOrderedDict\n"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def integer(value: int) -> bytes:
    raw = value.to_bytes(16, "little", signed=True)
    return b"\x8a\x10" + raw


def storage(elements: int = 4, key: str = "0", kind: str = "FloatStorage") -> bytes:
    head = b"(" + text("storage") + f"ctorch\n{kind}\n".encode() + text(key) + text("cpu")
    return head + integer(elements) + b"tQ"


def tensor(
    place: bytes = b"", offset: int = 0, shape: bytes = b"K\x04\x85", stride: bytes = b"K\x01\x85"
) -> bytes:
    body = (place or storage()) + integer(offset) + shape + stride
    return REBUILD + b"(" + body + b"\x89" + ORDERED + b")RtR"


def state(value: bytes, name: bytes = b"") -> bytes:
    return b"\x80\x02}" + (name or text("a.weight")) + value + b"s."


def zip_of(pickled: bytes, members: dict[str, bytes] | None = None, **changes: object) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        files = {"a/data.pkl": pickled, "a/data/0": bytes(16)} | (members or {})
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def test_the_crafted_checkpoint_is_accepted_as_it_stands(opened):
    assert opened(zip_of(state(tensor()))).tensors[0].shape == (4,)
    assert opened(zip_of(state(tensor(shape=b")", stride=b")")))).tensors[0].shape == ()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (tensor(storage(5)), "has 16 bytes instead of the 20"),
        (tensor(storage(3)), "tensor of 4 elements at 0 in a storage of 3"),
        (tensor(storage(2**60)), "no storage of torch"),
        (tensor(storage(-1)), "no storage of torch"),
        (tensor(storage(4, key="7")), "storage '7' is missing"),
        (tensor(storage(4, kind="DoubleStorage")), "has 16 bytes instead of the 32"),
        (tensor(offset=1), "4 elements at 1 in a storage of 4"),
        (tensor(offset=-1), "impossible size"),
        (tensor(shape=b"J\xff\xff\xff\xff\x85"), "impossible size"),
        (tensor(shape=b"\x88\x85"), "impossible size"),
        (tensor(shape=integer(2**100) + b"\x85"), "impossible size"),
        (tensor(shape=b"K\x00\x85"), "tensor of 0 elements"),
        (tensor(shape=b"K\x02K\x02\x86", stride=b"K\x01K\x01\x86"), "lies on itself"),
        (tensor(shape=b"K\x04K\x04\x86", stride=b"K\x00K\x01\x86"), "lies on itself"),
        (tensor(stride=b")"), "odd dimensions"),
        (tensor(shape=b"(" + b"K\x01" * 40 + b"t", stride=b"(" + b"K\x01" * 40 + b"t"), "odd dim"),
        (REBUILD + b")R", "builds a tensor from something odd"),
        (b"ctorch._utils\n_rebuild_parameter\n)R", "builds a parameter from something odd"),
        (b"ctorch\nFloatStorage\n)R", "no state dict"),
        (ORDERED + b"K\x01\x85R", "dictionary from something odd"),
        (ORDERED + b"]K\x01a\x85R", "dictionary of odd entries"),
        (b")" + text("x") + b"R", "another type"),
        (b"(" + text("module") + b"tQ", "no storage of torch"),
        (b"}(K\x01u", "key without a value"),
        (b"}K\x01NsK\x01Ns", "key '1' twice"),
        (b"]}b", "another type"),
        (b"h\x09", "never noted"),
        (b"u", "never began"),
        (b"00000", "takes more values"),
        (b"X\xff\xff\xff\x7f", "absurd length"),
        (b"\x8a\xff", "absurd length"),
        (b"X\x02\x00\x00\x00\xff\xff", "not UTF-8"),
        (b"c" + b"a" * 2000, "name without an end"),
        (b"X\x10\x00\x00\x00abc", "ends too early"),
    ],
)  # fmt: skip
def test_a_pickle_that_lies_is_refused(refused, value, words):
    refused(zip_of(state(value)), words)


def test_an_ordered_dict_from_pairs_is_read_as_python_2_wrote_it(opened):
    pair = text("a.weight") + tensor() + b"\x86"
    pickled = b"\x80\x02" + ORDERED + b"](" + pair + b"e\x85R."
    assert opened(zip_of(pickled)).tensors[0].name == "a.weight"


def test_old_rebuild_calls_and_short_strings_are_read(opened):
    old = b"ctorch._utils\n_rebuild_tensor\n(" + storage() + b"K\x00K\x04\x85K\x01\x85tR"
    pickled = b"\x80\x02}U\x08a.weight" + b"ctorch.nn.parameter\nParameter\n" + old + b"\x88\x86R"
    assert opened(zip_of(pickled + b"s2010.".replace(b"2010", b"20"))).tensors[0].shape == (4,)


def test_a_name_that_cannot_be_used_is_refused(refused):
    for name in (
        text(""),
        text("a b"),
        text("a\x1b[2J"),
        text("x" * 300),
        b"K\x01",
        text("module."),
    ):
        refused(zip_of(state(tensor(), name)), "usable name|odd name")


def test_tensors_that_would_multiply_a_storage_are_refused(refused):
    many = b"".join(text(f"t{i}") + tensor() for i in range(9))
    refused(zip_of(b"\x80\x02}(" + many + b"u."), "overlap in their storages")


def test_a_pickle_bomb_ends_early(refused):
    doubling = b"\x80\x02)" + b"2\x86" * 400 + b"0" + b"."
    refused(zip_of(doubling), "no state dict|takes more")
    refused(zip_of(b"\x80\x02" + b"N0" * 300_000 + b"."), "larger than a state dict can be")
    refused(zip_of(b"\x80\x02" + b"N" * 300_000 + b"."), "larger than a state dict can be")
    refused(zip_of(b"\x80\x02N" + b"2\x86" * 5000 + b"K\x01s."), "takes more")


def test_too_many_tensors_are_refused(refused):
    many = b"".join(text(f"t{i}") + b"h\x00" for i in range(20_001))
    pickled = b"\x80\x02" + tensor() + b"q\x000}(" + many + b"u."
    refused(zip_of(pickled), "more than 20000 tensors")


# --- lies in a zip


def test_compressed_members_are_refused_before_anything_is_unpacked(refused):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", bytes(50_000_000))
    refused(buffer.getvalue(), "compressed or encrypted")


@pytest.mark.parametrize(
    "name", ["../../etc/x", "/etc/passwd", "a/../../b", "a\\b", "C:/x", "a/\x07"]
)
def test_member_names_that_leave_the_archive_are_refused(refused, name):
    refused(zip_of(state(tensor()), {name: b"x"}), "leaves the archive|cannot be printed")


def test_a_zip_that_torch_did_not_write_is_refused(refused):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a/readme.txt", b"x")
    refused(buffer.getvalue(), "not one that torch.save wrote")
    refused(zip_of(state(tensor()), {"b/c": b"x"}), "not one that torch.save wrote")


def test_two_members_of_one_name_are_refused(refused):
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("a/data.pkl", state(tensor()))
        archive.writestr("a/data.pkl", b"\x80\x02N.")
    refused(buffer.getvalue(), "two members called")


def test_big_endian_checkpoints_are_refused(refused):
    refused(zip_of(state(tensor()), {"a/byteorder": b"big"}), "big-endian")
    legacy = save(STATE, legacy=True)
    refused(legacy.replace(b"little_endianq\x02\x88", b"little_endianq\x02\x89"), "big-endian")


def test_an_unknown_legacy_protocol_is_refused(refused):
    content = save(STATE, legacy=True)
    refused(content.replace(b"M\xe9\x03", b"M\xea\x03", 1), "unknown legacy protocol")


def test_a_legacy_storage_that_lies_about_its_size_is_refused(refused):
    content = bytearray(save(OrderedDict(a=torch.ones(4)), legacy=True))
    content[-24:-16] = struct.pack("<q", 2**40)
    refused(bytes(content), "elements instead of the 4")
    content[-24:-16] = struct.pack("<q", -1)
    refused(bytes(content), "elements instead of the 4")


def test_a_legacy_list_of_storages_that_is_none_is_refused(refused):
    content = save(OrderedDict(a=torch.ones(4)), legacy=True)
    at = content.rindex(b"\x80\x02]")
    refused(content[:at] + b"\x80\x02N." + content[-24:], "list of storages is damaged")
    refused(content[:at] + b"\x80\x02]K\x01a." + content[-24:], "list of storages has one")


def directory_at(content: bytes | bytearray) -> int:
    return content.index(b"PK\x01\x02")


@pytest.mark.parametrize(
    ("offset", "form", "value", "words"),
    [
        (8, "<H", 1, "compressed or encrypted"),
        (20, "<L", 5, "compressed or encrypted"),
        (24, "<L", 2**31, "compressed or encrypted"),
        (42, "<L", 2**31, "cut off"),
        (42, "<L", 3, "not what its table of contents says"),
        (28, "<H", 60000, "damaged|not UTF-8|leaves|cut off|printed"),
        (0, "<L", 0, "damaged"),
        (46, "<B", 0xFF, "not UTF-8"),
        (46, "<B", ord("b"), "not what its table of contents says"),
    ],
)
def test_a_damaged_table_of_contents_is_refused(refused, offset, form, value, words):
    content = bytearray(zip_of(state(tensor())))
    struct.pack_into(form, content, directory_at(content) + offset, value)
    refused(bytes(content), words)


def test_members_that_overlap_are_refused(refused):
    content = bytearray(zip_of(state(tensor()), {"a/data/1": zip_member("a/data/2")}))
    entry = content.rindex(b"PK\x01\x02")
    second = bytes(content[entry : content.rindex(b"PK\x05\x06")])
    inner = bytes(content).index(b"PK\x03\x04", bytes(content).index(b"a/data/1"))
    fake = bytearray(second.replace(b"a/data/1", b"a/data/2"))
    struct.pack_into("<LL", fake, 20, 4, 4)
    struct.pack_into("<L", fake, 42, inner)
    end = bytearray(content[content.rindex(b"PK\x05\x06") :])
    count, _, size = struct.unpack_from("<HHL", end, 8)
    struct.pack_into("<HHL", end, 8, count + 1, count + 1, size + len(fake))
    refused(bytes(content[: content.rindex(b"PK\x05\x06")] + fake + end), "overlap")


def zip_member(name: str) -> bytes:
    header = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 0, 0, 33, 0, 4, 4, len(name), 0)
    return header + name.encode() + b"abcd"


def test_counts_in_the_end_record_are_bounded(refused):
    content = bytearray(zip_of(state(tensor())))
    struct.pack_into("<H", content, len(content) - 12, 60_000)
    refused(bytes(content), "more members")
    struct.pack_into("<H", content, len(content) - 12, 50)
    refused(bytes(content), "damaged")
    struct.pack_into("<L", content, len(content) - 6, 2**31)
    refused(bytes(content), "cut off")


def zip64(content: bytes) -> bytes:
    """Rewrite the end of a zip as torch's own writer does, with 64-bit records."""
    at = content.rindex(b"PK\x05\x06")
    count, size, start = struct.unpack_from("<4x4x2xHLL", content, at)
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, start)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, at, 1)
    return content[:at] + end64 + locator + content[at:]


def test_64_bit_records_are_read_and_checked(opened, refused):
    content = zip64(zip_of(state(tensor())))
    assert opened(content).tensors[0].shape == (4,)
    refused(content.replace(b"PK\x06\x06", b"PK\x06\x05"), "64-bit end record is missing")


def test_64_bit_sizes_of_members_are_read_and_checked(opened, refused):
    content = bytearray(zip_of(state(tensor())))
    at = directory_at(content)
    size = struct.unpack_from("<L", content, at + 24)[0]
    name_length = struct.unpack_from("<H", content, at + 28)[0]
    struct.pack_into("<LL", content, at + 20, 0xFFFFFFFF, 0xFFFFFFFF)
    refused(bytes(content), "lacks a 64-bit size")
    extra = struct.pack("<HHHHQQ", 0x9999, 0, 1, 16, size, size)
    struct.pack_into("<H", content, at + 30, len(extra))
    content[at + 46 + name_length : at + 46 + name_length] = extra
    end = content.rindex(b"PK\x05\x06")
    directory_size = struct.unpack_from("<L", content, end + 12)[0]
    struct.pack_into("<L", content, end + 12, directory_size + len(extra))
    assert opened(bytes(content)).tensors[0].shape == (4,)


# --- hygiene


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int32])
def test_other_types_than_float32_are_read(opened, dtype):
    content = save(OrderedDict(a=torch.ones(3).to(dtype)))
    [tensor] = opened(content).tensors
    assert tensor.dtype == str(dtype).removeprefix("torch.")
    assert bytes(tensor.data) == torch.ones(3).to(dtype).view(torch.uint8).numpy().tobytes()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_numbers_of_any_precision_must_be_finite(opened, refused, dtype):
    most = torch.finfo(dtype).max
    assert opened(save({"a": torch.tensor([most, -most, 0], dtype=dtype)}))
    for value in (float("inf"), float("nan")):
        refused(save({"a": torch.tensor([1, value], dtype=dtype)}), "values that are not finite")
    refused(save({"running_var": torch.tensor([1, -1], dtype=dtype)}), "a negative variance")


def test_a_counter_that_is_no_integer_is_refused(refused):
    refused(save({"num_batches_tracked": torch.ones(())}), "is float32 instead of int64")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_not_finite_are_refused(refused, value):
    tensor = torch.zeros(3_000_000)
    tensor[2_000_003] = value
    refused(save({"a": tensor}), "a has values that are not finite")


def test_a_negative_variance_is_refused(refused):
    refused(save({"a.running_var": torch.tensor([1.0, -1e-30])}), "negative variance")


@given(st.lists(st.floats(width=32), min_size=1, max_size=50))
def test_finiteness_is_judged_as_ieee_754_says(values):
    packed = struct.pack(f"<{len(values)}f", *values)
    assert is_finite(memoryview(packed)) == all(abs(value) < float("inf") for value in values)


def test_large_finite_values_are_finite():
    assert is_finite(memoryview(struct.pack("<2f", 3.4e38, -3.4e38)))


# --- damage at random

FUZZ = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
LEGACY, ZIP = save(STATE, legacy=True), save(STATE)


@pytest.mark.usefixtures("unmeasured")
@settings(FUZZ, max_examples=300)
@given(
    st.sampled_from([LEGACY, ZIP, make_checkpoint()]),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_a_damaged_checkpoint_is_read_or_refused_and_nothing_else(opened, content, damages):
    damaged = bytearray(content)
    for place, value in damages:
        damaged[int(place * (len(damaged) - 1))] = value
    with contextlib.suppress(InputError):
        opened(bytes(damaged))


@pytest.mark.usefixtures("unmeasured")
@settings(FUZZ, max_examples=500)
@given(
    st.lists(
        st.sampled_from(
            [b"(", b")", b"]", b"}", b"N", b"K\x01", b"2", b"0", b"1", b"t", b"\x85", b"\x86",
             b"\x87", b"a", b"e", b"s", b"u", b"q\x01", b"h\x01", b"\x94", b"R", b"b", b"Q",
             text("storage"), text("a"), ORDERED, REBUILD, storage(), tensor(),
             b"ctorch\nFloatStorage\n", b"\x88", b"\x95" + bytes(8), b"j\x01\x00\x00\x00",
             b"r\x01\x00\x00\x00", b"T\x01\x00\x00\x00a",
             b"G" + bytes(8), b"M\x01\x00"]
        ),
        max_size=40,
    )
)  # fmt: skip
def test_any_program_of_allowed_opcodes_is_read_or_refused(opened, program):
    with contextlib.suppress(InputError):
        opened(zip_of(b"\x80\x02" + b"".join(program) + b"."))


@given(st.binary(max_size=300))
def test_any_start_of_a_file_is_recognised_as_something(content):
    assert isinstance(recognise(memoryview(content)), Format)


def test_reading_needs_neither_torch_nor_numpy_and_holds_no_copy(tmp_path):
    """Open 64 MiB in a process whose imports are watched and whose memory is measured."""
    path = tmp_path / "large.pth"
    torch.save({"a": torch.zeros(16 * 1024 * 1024)}, path)
    script = (
        "import sys, resource, pathlib\n"
        "from release_tool.checkpoint.reader import open_checkpoint\n"
        "from release_tool.recipes.u2netp import U2NETP\n"
        "checkpoint = open_checkpoint(pathlib.Path(sys.argv[1]), U2NETP, pinned=False)\n"
        "assert not {'torch', 'numpy', 'onnx'} & set(sys.modules)\n"
        "assert len(checkpoint.tensors[0].data) == 64 * 1024 * 1024\n"
        "lines = open('/proc/self/status').read().splitlines()\n"
        "anonymous = next(line for line in lines if line.startswith('RssAnon'))\n"
        "assert int(anonymous.split()[1]) < 60 * 1024, anonymous\n"
    )
    subprocess.run([sys.executable, "-P", "-c", script, str(path)], check=True, timeout=60)


def test_a_recipe_of_another_pin_is_compared_with_its_own(tmp_path):
    (tmp_path / "c.pth").write_bytes(save(STATE))
    digest = Sha256.of_file(tmp_path / "c.pth")
    recipe = replace(U2NETP, checkpoint=replace(U2NETP.checkpoint, sha256=digest))
    assert open_checkpoint(tmp_path / "c.pth", recipe).digest == digest


# --- what only a crafted file reaches


def test_a_member_that_runs_into_the_table_of_contents_is_refused(refused):
    content = bytearray(zip_of(state(tensor())))
    struct.pack_into("<LL", content, content.rindex(b"PK\x01\x02") + 20, 10_000, 10_000)
    refused(bytes(content), "is cut off")


def test_a_pickle_of_absurd_size_is_refused(refused):
    refused(zip_of(bytes(33 * 1024 * 1024)), "larger than a state dict can be")


def test_a_legacy_storage_list_that_is_cut_off_is_refused(refused):
    content = save(OrderedDict(a=torch.ones(4)), legacy=True)
    refused(content[:-1], "cut off in the middle of its tensors")


def test_a_legacy_checkpoint_may_hold_its_tensors_in_lists_and_refer_to_itself(refused):
    loop: list[object] = [torch.ones(2), (torch.zeros(3),)]
    loop.append(loop)
    refused(save({"a": loop}, legacy=True), "no state dict")


def test_a_storage_described_in_two_ways_is_refused_in_the_legacy_format(refused):
    pair = text("a") + tensor(storage(4)) + text("b") + tensor(storage(5))
    head = save(OrderedDict(a=torch.ones(4)), legacy=True)
    head = head[: head.index(b"\x80\x02c")]
    keys = b"\x80\x02]" + text("0") + b"a."
    content = head + b"\x80\x02}(" + pair + b"u." + keys + struct.pack("<q", 4) + bytes(16)
    refused(content, "two descriptions")


def test_a_noted_list_that_is_copied_again_and_again_runs_out_of_budget(refused):
    """A review's find: 0.3 MB of pickle made dictionaries of gigabytes."""
    pairs = b"".join(b"X\x05\x00\x00\x00%05dN\x86" % number for number in range(20_000))
    body = b"\x80\x02]q\x00(" + pairs + b"e0" + ORDERED + b"q\x010](" + b"h\x01h\x00\x85R" * 4000
    refused(zip_of(body + b"e."), "pickle")

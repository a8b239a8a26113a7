"""What changed in the tensors is counted and measured as numpy itself would."""

import builtins
import math
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from release_tool.compare import tensors
from release_tool.compare.tensors import compare_tensors, measure_piece
from release_tool.core.errors import InputError

ONES = np.ones((2, 3), np.float32)
FLOATS = st.floats(-1e6, 1e6, width=32)


def test_a_model_has_no_change_from_itself(make_model):
    found = compare_tensors(make_model({"a.weight": ONES}), make_model({"a.weight": ONES}))
    assert (found.equal, found.changed, found.layers) == (1, (), ())


def test_one_changed_element_is_counted_and_measured(make_model):
    other = ONES.copy()
    other[1, 2] = 3.0
    (change,) = compare_tensors(
        make_model({"a.weight": ONES}), make_model({"a.weight": other})
    ).changed
    assert (change.elements, change.differing, change.largest) == (6, 1, 2.0)
    assert change.relative == pytest.approx(2.0 / math.sqrt(6))


def test_tensors_that_came_went_or_have_another_shape_are_named(make_model):
    left = make_model({"gone": ONES, "bent": ONES, "kept": ONES})
    right = make_model({"bent": ONES.T, "kept": ONES, "new": ONES})
    found = compare_tensors(left, right)
    assert (found.removed, found.added) == (("gone",), ("new",))
    assert found.reshaped == ("bent: f4[2,3] to f4[3,2]",)


def test_an_element_type_that_changed_is_told_like_a_shape(make_model):
    found = compare_tensors(make_model({"a": ONES}), make_model({"a": ONES.astype(np.float16)}))
    assert found.reshaped == ("a: f4[2,3] to f2[2,3]",)


def test_the_tensors_of_one_layer_are_added_up(make_model):
    left = {"net.conv.weight": ONES, "net.conv.bias": np.zeros(2, np.float32), "head": ONES}
    right = {name: array + np.float32(1) for name, array in left.items()}
    found = compare_tensors(make_model(left), make_model(right))
    assert [(layer.name, layer.elements) for layer in found.layers] == [
        ("net.conv", 8),
        ("head", 6),
    ]
    assert found.layers[0].relative == pytest.approx(math.sqrt(8 / 6))


def test_a_change_from_nothing_has_no_relative_size(make_model):
    zeros = np.zeros_like(ONES)
    (change,) = compare_tensors(make_model({"a": zeros}), make_model({"a": ONES})).changed
    assert (change.relative, change.largest) == (None, 1.0)


def test_numbers_that_are_not_finite_are_counted_and_spoil_nothing(make_model):
    other = np.array([[np.nan, np.inf, 1], [1, 1, 2]], np.float32)
    (change,) = compare_tensors(make_model({"a": ONES}), make_model({"a": other})).changed
    assert (change.not_finite, change.differing, change.largest) == (2, 3, 1.0)


def test_a_negative_zero_differs_by_its_bytes_and_by_no_amount(make_model):
    zeros = np.zeros(3, np.float32)
    (change,) = compare_tensors(make_model({"a": zeros}), make_model({"a": -zeros})).changed
    assert (change.differing, change.largest) == (3, 0.0)


@pytest.mark.parametrize(
    "kind", [np.float16, np.float64, np.int8, np.int64, np.uint8, np.bool_, ml_dtypes.bfloat16]
)
def test_every_element_type_is_measured(make_model, kind):
    zeros, ones = np.zeros(4, kind), np.ones(4, kind)
    (change,) = compare_tensors(make_model({"a": zeros}), make_model({"a": ones})).changed
    assert (change.elements, change.differing, change.largest) == (4, 4, 1.0)


@given(arrays(np.float32, (7,), elements=FLOATS), arrays(np.float32, (7,), elements=FLOATS))
def test_a_piece_is_measured_as_numpy_measures_it(a: Any, b: Any):
    change = measure_piece("a", 1, memoryview(a.tobytes()), memoryview(b.tobytes()))
    apart = b.astype(np.float64) - a.astype(np.float64)
    assert change.largest == np.abs(apart).max()
    assert change.squares == pytest.approx(float((apart**2).sum()))
    assert change.differing == int((a.view(np.uint32) != b.view(np.uint32)).sum())


def test_pieces_add_up_to_the_whole(make_model, monkeypatch: pytest.MonkeyPatch):
    left, right = np.arange(100, dtype=np.float32), np.arange(100, dtype=np.float32)[::-1].copy()
    models = make_model({"a": left}), make_model({"a": right})
    (whole,) = compare_tensors(*models).changed
    monkeypatch.setattr(tensors, "CHUNK_BYTES", 64)
    (pieces,) = compare_tensors(*models).changed
    assert pieces.squares == pytest.approx(whole.squares)
    assert (pieces.differing, pieces.largest) == (whole.differing, whole.largest)


def test_without_numpy_equal_models_are_compared_and_others_say_what_is_missing(
    make_model, monkeypatch: pytest.MonkeyPatch
):
    equal, other = make_model({"a": ONES}), make_model({"a": ONES * 2})
    import_module = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name == "numpy":
            raise ImportError(name)
        return import_module(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    assert compare_tensors(equal, equal).equal == 1
    with pytest.raises(InputError, match="needs numpy"):
        compare_tensors(equal, other)

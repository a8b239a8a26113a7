"""The tree is RFC 6962's: checked against a naive definition and against RFC 9162's verifiers."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from release_tool.rehearsal.sigstore.merkle import Tree, hash_leaf
from tests.standins.merkle import TILE_WIDTH, find_tile, prove_consistency

SMALL = 40


def entry(index):
    return b"entry %d" % index


def grow(size):
    tree = Tree()
    for index in range(size):
        assert tree.append(hash_leaf(entry(index))) == index
    return tree


def naive_root(entries):
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    middle = 1
    while middle * 2 < len(entries):
        middle *= 2
    halves = naive_root(entries[:middle]) + naive_root(entries[middle:])
    return hashlib.sha256(b"\x01" + halves).digest()


@pytest.fixture(scope="module")
def large():
    return grow(700)


def test_every_root_is_the_naive_definition_s():
    tree = grow(SMALL)
    entries = [entry(index) for index in range(SMALL)]
    assert [tree.root(size) for size in range(SMALL + 1)] == [
        naive_root(entries[:size]) for size in range(SMALL + 1)
    ]
    assert tree.root() == tree.root(SMALL)


def test_every_inclusion_proof_of_every_small_tree_verifies(check_inclusion):
    tree = grow(SMALL)
    for size in range(1, SMALL + 1):
        for index in range(size):
            path = tree.prove_inclusion(index, size)
            leaf = hash_leaf(entry(index))
            assert check_inclusion(index, size, leaf, path, tree.root(size))


def test_every_consistency_proof_of_every_small_tree_verifies(check_consistency):
    tree = grow(SMALL)
    for new in range(1, SMALL + 1):
        for old in range(1, new + 1):
            path = prove_consistency(tree, old, new)
            assert check_consistency(old, new, path, tree.root(old), tree.root(new))


@settings(max_examples=100)
@given(data=st.data())
def test_proofs_hold_in_large_trees_and_for_nothing_else(
    data, large, check_inclusion, check_consistency
):
    size = data.draw(st.integers(2, len(large)))
    index = data.draw(st.integers(0, size - 1))
    path, root = large.prove_inclusion(index, size), large.root(size)
    leaf = hash_leaf(entry(index))
    assert check_inclusion(index, size, leaf, path, root)
    assert not check_inclusion(index, size, hash_leaf(b"another"), path, root)
    place = data.draw(st.integers(0, len(path) - 1))
    assert not check_inclusion(index, size, leaf, path[:place] + path[place + 1 :], root)
    old = data.draw(st.integers(1, size - 1))
    proof = prove_consistency(large, old, size)
    assert check_consistency(old, size, proof, large.root(old), root)
    assert not check_consistency(old, size, proof, large.root(old + 1), root)


def test_tiles_hold_the_leaves_and_the_roots_of_full_tiles(large):
    leaves = [hash_leaf(entry(index)) for index in range(700)]
    assert find_tile(large, 0, 1, TILE_WIDTH) == leaves[256:512]
    assert find_tile(large, 0, 2, 188) == leaves[512:700]
    full = [entry(index) for index in range(512)]
    assert find_tile(large, 1, 0, 2) == [naive_root(full[:256]), naive_root(full[256:])]


@pytest.mark.parametrize("place", [(0, 2, 189), (0, 3, 1), (1, 0, 3), (2, 0, 1)])
def test_tiles_that_are_not_there_yet_are_not_made_up(large, place):
    assert find_tile(large, *place) is None

"""Recipes are found by name, or read from a file that stands alone."""

from dataclasses import replace
from pathlib import Path

import pytest

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError, UsageError
from release_tool.core.names import check_inner_path
from release_tool.recipes.catalog import RECIPES, open_recipe, parse_recipe
from release_tool.recipes.metadata import make_metadata, pinned_metadata
from release_tool.recipes.recipe import (
    Formats,
    ParityBounds,
    ParityInput,
    Picture,
    Recipe,
)
from release_tool.recipes.u2net import U2NET
from release_tool.recipes.u2netp import U2NETP

DIGEST = "sha256:" + "ab" * 32


PICTURE = f'{{ path = "a.png", sha256 = "{DIGEST}" }}'


def test_the_two_recipes_are_found_by_name():
    assert open_recipe("u2netp") is U2NETP
    assert open_recipe("u2net") is U2NET
    assert set(RECIPES) == {"u2netp", "u2net"}


def test_the_release_of_u2netp_has_the_names_that_its_consumers_know():
    names = U2NETP.names
    assert names.model == "u2netp_mirror_v1.onnx"
    assert names.bundle == "u2netp_mirror_v1.onnx.sigstore.json"
    assert names.manifest == "u2netp_mirror_v1.manifest.json"
    assert names.provenance == "u2netp_mirror_v1.provenance.sigstore.json"
    assert (names.license, names.notice) == ("Apache-2.0-u2netp.txt", "NOTICE-u2netp.txt")


def test_no_two_recipes_share_a_file_name_or_a_tag():
    assert U2NET.tag != U2NETP.tag
    assert U2NET.names.model != U2NETP.names.model


def test_each_recipe_has_a_schema_name_of_its_own():
    assert U2NETP.formats.manifest_schema == "u2netp-mirror-export-manifest-v1"
    assert U2NET.formats.manifest_schema == "u2net-mirror-export-manifest-v1"


def test_the_keys_of_the_metadata_open_with_the_recipes_prefix():
    own = replace(U2NETP, formats=Formats("own-manifest-v1", "own."))
    digest = U2NETP.checkpoint.sha256
    keys = [key.removeprefix("lusoris.") for key in make_metadata(U2NETP, digest)]
    assert [key.removeprefix("own.") for key in make_metadata(own, digest)] == keys
    assert {"own.conversion"} == set(make_metadata(own, digest)) - set(pinned_metadata(own))
    bare = replace(U2NETP, formats=Formats("own-manifest-v1", ""))
    assert list(make_metadata(bare, digest)) == keys


OWN = f"""
name = "mynet"

[upstream]
repo = "https://example.org/mynet"
commit = "{"12" * 20}"
module_path = "mynet/net.py"
module_sha256 = "{DIGEST}"
class_name = "Net"

[license]
spdx = "MIT"
path = "LICENSE"
sha256 = "{"cd" * 32}"

[checkpoint]
path = "weights/mynet.pth"
sha256 = "{DIGEST}"
tensors = 12

[graph]
opset = 17
ir_version = 8
input_name = "image"
input_channels = 3
output_name = "map"
selected_output = 0
height = 64
width = 96
operators = ["Conv", "Relu"]
max_model_bytes = 1000000
max_loops = 0
max_subgraph_depth = 0
skeletons = {{ "torch 2.13.0" = "{DIGEST}" }}

[attribution]
title = "My network"
copyright = "Copyright its authors"
paper = "none"

[publisher]
repo = "own/models"
"""


def read(text: str) -> Recipe:
    return parse_recipe(text.encode(), "own.toml")


def without(table: str) -> str:
    """Leave one table out of OWN."""
    before, _, rest = OWN.partition(f"[{table}]\n")
    _, heading, after = rest.partition("\n[")
    return before + heading[1:] + after


def test_a_recipe_file_stands_alone_and_what_it_leaves_out_follows_from_its_name(tmp_path: Path):
    (tmp_path / "own.toml").write_text(OWN)
    recipe = open_recipe(str(tmp_path / "own.toml"))
    assert (recipe.name, recipe.model_id, recipe.tag) == ("mynet", "mynet_v1", "mynet-v1")
    assert (recipe.names.model, recipe.names.license) == ("mynet_v1.onnx", "MIT-mynet.txt")
    assert recipe.formats.manifest_schema == "mynet-export-manifest-v1"
    assert recipe.formats.metadata_prefix == ""
    assert str(recipe.license.sha256) == "sha256:" + "cd" * 32
    assert recipe.graph.operators == {"Conv", "Relu"}
    assert recipe.skeleton_for("2.13.0+cpu") == Sha256.parse(DIGEST)
    assert recipe.skeleton_for("2.14.0") is None
    assert str(recipe.publisher.repo) == "own/models"
    assert recipe.publisher.refs == ("refs/heads/main",)
    # With another's ids another's publisher would be believed under the name of this one.
    assert (recipe.publisher.owner_id, recipe.publisher.repo_id) == (None, None)
    assert recipe.parity.pictures == ()


@pytest.mark.parametrize("table", ["upstream", "license", "checkpoint", "attribution", "publisher"])
@pytest.mark.parametrize("base", ["", 'base = "u2netp"\n'])
def test_who_made_the_thing_is_never_taken_over(table, base):
    with pytest.raises(InputError, match=f"{table} is missing") as caught:
        read(base + without(table))
    assert "never taken over" in str(caught.value.hint)


def test_a_base_lends_its_graph_and_its_bounds_and_nothing_else():
    with pytest.raises(InputError, match="graph is missing") as caught:
        read(without("graph"))
    assert 'base = "u2netp"' in str(caught.value.hint)
    recipe = read('base = "u2netp"\n' + without("graph") + "[graph]\nopset = 18\n")
    assert recipe.graph == replace(U2NETP.graph, opset=18)
    assert recipe.parity == U2NETP.parity
    assert recipe.names.model == "mynet_v1.onnx"
    assert recipe.formats != U2NETP.formats
    assert recipe.checkpoint.sources == ()


def test_inputs_of_the_parity_gate_are_pictures_or_drawn():
    parity = "[[parity.inputs]]\nheight = 8\nwidth = 9\n[[parity.inputs]]\nheight = 7\nwidth = 7\n"
    recipe = read(OWN + parity + f"full = true\npicture = {PICTURE}\n")
    picture = Picture("a.png", Sha256.parse(DIGEST))
    assert recipe.parity.inputs == (ParityInput(8, 9), ParityInput(7, 7, picture, full=True))
    assert recipe.parity.pictures == (picture,)
    assert recipe.parity.bounds == ParityBounds()


def test_upstreams_own_source_comes_first():
    for recipe in (U2NETP, U2NET):
        hosts = [source.split("/")[2] for source in recipe.checkpoint.sources]
        assert hosts == ["drive.google.com", "huggingface.co"]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("tensors = 12", "tensors = 12\nsources = 'https://x'",
         "checkpoint.sources: expected array, got str"),
        ("tensors = 12", "", "checkpoint.tensors is missing"),
        ("\nname =", "\nbase = 'none'\nname =", "base is none of"),
        ("\nname =", "\nnonsense", "is not a recipe"),
        ("\nname =", "\ncolour = 'red'\nname =", "unknown key colour; known are name, model_id"),
        ("opset =", "opsets =", "unknown key graph.opsets; is opset meant"),
        ("opset = 17", "opset = 'x'", "graph.opset: expected int, got str"),
        ("opset = 17", "opset = 17.5", "graph.opset: expected int, got float"),
        ("['Conv', 'Relu']", "'Conv'", "graph.operators: expected array, got str"),
        ('"mynet"', '"My Net"', "not of small letters"),
        ("12" * 20, "main", "not a full git commit id"),
        (DIGEST, "sha256:12", "not a SHA-256 digest"),
        ("mynet/net.py", "../x", "not a path inside"),
        ('"Net"', '"a.b"', "not a class name"),
        ("[publisher]", "[formats]\nmanifest_schema = 'a b'\n[publisher]",
         "not a name of a schema"),
        ("[publisher]", "[formats]\nmetadata_prefix = 'a b'\n[publisher]", "not a prefix of meta"),
        ("[publisher]", "[names]\nmodel = 'a b.onnx'\n[publisher]", "GitHub would change"),
        ("[publisher]", "[names]\nmodel = 'model.bin'\n[publisher]", "ends in .onnx"),
        ("[publisher]", "[parity]\ninputs = [{height = 1}]\n[publisher]",
         r"parity.inputs\[0\].width is missing"),
        ("[publisher]", "[parity]\ninputs = [{height = 1, width = 0}]\n[publisher]",
         "has no pixel"),
        ("[publisher]", "[parity]\ninputs = [{high = 1, width = 1}]\n[publisher]",
         r"unknown key parity.inputs\[0\].high; is height meant"),
        ("[publisher]", "[parity]\ninputs = []\n[publisher]", "an input that is used in every"),
        ("[publisher]",
         "[[parity.inputs]]\nheight = 1\nwidth = 1\npicture = {path = '/a'}\n[publisher]",
         r"parity.inputs\[0\].picture.sha256 is missing"),
        ('"MIT"', '"MIT OR ISC"', "not an SPDX identifier of one licence"),
        ("own/models", "x", "not a repository"),
        ("[publisher]", "[publisher]\nrefs = ['main']", "not a full git ref"),
        ("[publisher]", "[publisher]\nowner_id = 7", "publisher.owner_id: expected str"),
        ("[publisher]", "[publisher]\nowner_id = 'x'", "not a numeric id"),
    ],
)  # fmt: skip
def test_a_malformed_recipe_is_refused_with_the_place(old: str, new: str, reason: str):
    text = OWN.replace('["Conv", "Relu"]', "['Conv', 'Relu']")
    assert old in text
    with pytest.raises(InputError, match=reason) as caught:
        read(text.replace(old, new))
    assert "own.toml is not a recipe" in caught.value.message


@pytest.mark.parametrize("table", ["upstream", "license", "graph", "names", "parity", "publisher"])
def test_a_value_where_a_table_belongs_is_refused(table: str):
    with pytest.raises(InputError, match=f"{table}: expected object, got int"):
        read(f"{table} = 3\n" + without(table))


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(UsageError) as caught:
        open_recipe("resnet")
    assert "u2netp and u2net" in str(caught.value.hint)


def test_a_missing_recipe_file_is_an_input_error(tmp_path: Path):
    with pytest.raises(InputError, match="cannot read"):
        open_recipe(str(tmp_path / "none.toml"))


@pytest.mark.parametrize("path", ["", "/etc/passwd", "a/../../b", "a\\b", "a\0b"])
def test_a_path_that_could_leave_the_upstream_tree_is_refused(path: str):
    with pytest.raises(InputError, match="not a path inside"):
        check_inner_path(path)


def test_a_recipe_cannot_be_changed_only_replaced():
    with pytest.raises(AttributeError):
        U2NETP.name = "other"  # type: ignore[misc]
    assert replace(U2NETP, name="other").name == "other"

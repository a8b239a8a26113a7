"""Recipes are found by name, or read from a file that stands alone."""

import tomllib
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError, UsageError
from release_tool.core.names import check_inner_path
from release_tool.recipes.catalog import RECIPES, open_recipe, parse_recipe
from release_tool.recipes.metadata import make_metadata, pinned_metadata
from release_tool.recipes.parity import ParityBounds, Sample, SampleFile
from release_tool.recipes.recipe import (
    Formats,
    Recipe,
)
from release_tool.recipes.saliency import sample
from release_tool.recipes.toml.schema import recipe_schema
from release_tool.recipes.toml.writing import write_recipe
from release_tool.recipes.u2net import U2NET
from release_tool.recipes.u2netp import U2NETP

DIGEST = "sha256:" + "ab" * 32


def test_the_two_recipes_are_found_by_name():
    assert open_recipe("u2netp") is U2NETP
    assert open_recipe("u2net") is U2NET
    assert set(RECIPES) == {"u2netp", "u2netp-320", "u2net"}


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
modules = {{ "mynet/net.py" = "{DIGEST}" }}

[license]
spdx = "MIT"
path = "LICENSE"
sha256 = "{"cd" * 32}"

[checkpoint]
path = "weights/mynet.pth"
sha256 = "{DIGEST}"
tensors = 12

[network]
call = "mynet.net:Net"
arguments = {{ classes = 10 }}

[[inputs]]
name = "image"
shape = [1, 3, "H", "W"]
draw = "image"

[[outputs]]
name = "logits"
shape = [1, 10]

[axes]
H = 64
W = 96

[contract]
opset = 17
forbid = ["Conv", "Relu"]

[skeletons]
"torch 2.13.0" = "{DIGEST}"

[attribution]
title = "My network"
copyright = "Copyright its authors"
paper = "none"

[publisher]
repo = "own/models"
"""


def read(text: str) -> Recipe:
    return parse_recipe(text.encode(), "own.toml")


def without(table: str, text: str = OWN) -> str:
    """Leave one table out of a recipe."""
    before, _, rest = text.partition(f"[{table}]\n")
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
    assert "Conv" not in recipe.contract.limits.operators
    assert recipe.network.arguments == {"classes": 10}
    assert recipe.module_path == "mynet/net.py"
    assert recipe.skeleton_for("2.13.0+cpu") == Sha256.parse(DIGEST)
    assert recipe.skeleton_for("2.14.0") is None
    assert str(recipe.publisher.repo) == "own/models"
    assert recipe.publisher.refs == ("refs/heads/main",)
    # With another's ids another's publisher would be believed under the name of this one.
    assert (recipe.publisher.owner_id, recipe.publisher.repo_id) == (None, None)
    assert recipe.parity.samples == (Sample((("H", 64), ("W", 96))),) * 3


@pytest.mark.parametrize("table", ["upstream", "license", "checkpoint", "attribution", "publisher"])
@pytest.mark.parametrize("base", ["", 'base = "u2netp"\n'])
def test_who_made_the_thing_is_never_taken_over(table, base):
    with pytest.raises(InputError, match=f"{table} is missing") as caught:
        read(base + without(table))
    assert "never taken over" in str(caught.value.hint)


def test_a_base_lends_its_graph_and_its_bounds_and_nothing_else():
    bare = OWN
    for table in ("network", "[inputs]", "[outputs]", "axes", "contract", "skeletons"):
        bare = without(table, bare)
    with pytest.raises(InputError, match="network is missing") as caught:
        read(bare)
    assert 'base = "u2netp"' in str(caught.value.hint)
    network = '[network]\ncall = "mynet.net:Net"\n[contract]\nopset = 18\n'
    recipe = read('base = "u2netp"\n' + bare + network)
    assert recipe.inputs == U2NETP.inputs
    assert recipe.network.positional == (3, 1)
    assert recipe.contract == replace(U2NETP.contract, opset=18)
    assert recipe.parity == U2NETP.parity
    assert recipe.names.model == "mynet_v1.onnx"
    assert recipe.formats != U2NETP.formats
    assert recipe.checkpoint.sources == ()


def test_samples_of_the_parity_gate_are_of_files_or_drawn():
    file = f'{{ input = {{ path = "a.png", sha256 = "{DIGEST}" }} }}'
    samples = (
        "[[parity.samples]]\naxes = {H = 8, W = 9}\n"
        f"[[parity.samples]]\naxes = {{H = 7, W = 7}}\nfull = true\nfiles = {file}\n"
    )
    recipe = read(OWN + samples)
    picture = SampleFile("a.png", Sha256.parse(DIGEST))
    assert recipe.parity.samples == (sample(8, 9), sample(7, 7, picture, full=True))
    assert recipe.parity.files == (picture,)
    assert recipe.parity.bounds == ParityBounds()


@pytest.mark.parametrize("recipe", [U2NETP, U2NET, read(OWN)], ids=lambda recipe: recipe.name)
def test_a_recipe_that_is_written_reads_as_the_same_recipe(recipe):
    written = write_recipe(recipe)
    assert parse_recipe(written.encode(), "written") == recipe
    jsonschema.validate(tomllib.loads(written), recipe_schema())


def test_the_schema_knows_what_may_be_left_out_and_what_not():
    jsonschema.validate(tomllib.loads(OWN), recipe_schema())
    lent = tomllib.loads(OWN) | {"base": "u2netp"}
    for key in ("network", "inputs", "outputs"):
        without_it = {name: value for name, value in lent.items() if name != key}
        jsonschema.validate(without_it, recipe_schema())
        del without_it["base"]
        with pytest.raises(jsonschema.ValidationError, match=f"'{key}' is a required property"):
            jsonschema.validate(without_it, recipe_schema())


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
        ("opset =", "opsets =", "unknown key contract.opsets; is opset meant"),
        ("opset = 17", "opset = 'x'", "contract.opset: expected int, got str"),
        ("opset = 17", "opset = 17.5", "contract.opset: expected int, got float"),
        ("opset = 17", "opset = 22", "opset 22 cannot be exported: there are 17 to 21"),
        ("opset = 17", "opset = 17\nprofile = 'x'", "no profile is called 'x'"),
        ("['Conv', 'Relu']", "'Conv'", "contract.forbid: expected array, got str"),
        ("['Conv', 'Relu']", "['Convolve']", "ai.onnx 17 has no operator 'Convolve'"),
        ('"logits"', '"image"', "two inputs or outputs are called 'image'"),
        ('"logits"', '"a b"', "not a name of an input or output: 'a b'"),
        ("H = 64", "", "axes: the inputs have the axes H, W, and H is missing"),
        ("H = 64", "H = 64\nX = 1", "axes: the inputs have the axes H, W, and X is none of them"),
        ("[1, 10]", "[1, 0]", "logits has a dimension of 0"),
        ("[1, 10]", "[1, 1.5]", r"outputs\[0\].shape\[1\]: expected int or str, got float"),
        ("[1, 10]", "[1, ' ']", "logits has an axis that is no name"),
        ("[1, 10]", "[1, 10]\ntype = 'float'", "logits has the type 'float'; there are float16"),
        ("[1, 10]", "[1, 10]\nagreement = 0", "logits agrees in a share above 0"),
        ('draw = "image"', "draw = 'picture'", "image is drawn as 'picture', not image, integers"),
        ('draw = "image"', "draw = 'integers'", "image is float32, which is not drawn as integers"),
        ('draw = "image"', "low = 2", "image is drawn from 2.0 to 1.0"),
        ('"mynet.net:Net"', '"mynet.net"', "not a class or function of a module: 'mynet.net'"),
        ('"mynet.net:Net"', '"other:Net"', "upstream.modules has no file of other"),
        ("classes = 10", "classes = {call = 'a:B', with = 1}", "a call has call, positional and"),
        ("classes = 10", "classes = 2000-01-01", "an argument of mynet.net:Net is a date"),
        ("[license]", "root = 'lib'\n[license]", "'mynet/net.py' is no module under lib/"),
        ('"mynet"', '"My Net"', "not of small letters"),
        ("12" * 20, "main", "not a full git commit id"),
        (DIGEST, "sha256:12", "not a SHA-256 digest"),
        ("mynet/net.py", "../x", "not a path inside"),
        ("[publisher]", "[formats]\nmanifest_schema = 'a b'\n[publisher]",
         "not a name of a schema"),
        ("[publisher]", "[formats]\nmetadata_prefix = 'a b'\n[publisher]", "not a prefix of meta"),
        ("[publisher]", "[names]\nmodel = 'a b.onnx'\n[publisher]", "GitHub would change"),
        ("[publisher]", "[names]\nmodel = 'model.bin'\n[publisher]", "ends in .onnx"),
        ("[publisher]", "[parity]\nsamples = [{axes = {H = 1}}]\n[publisher]",
         r"parity.samples\[0\].axes: the inputs have the axes H, W, and W is missing"),
        ("[publisher]", "[parity]\nsamples = [{axes = {H = 1, W = 0}}]\n[publisher]",
         "a sample has 0 for the axis W"),
        ("[publisher]", "[parity]\nsamples = [{axis = {H = 1, W = 1}}]\n[publisher]",
         r"unknown key parity.samples\[0\].axis; is axes meant"),
        ("[publisher]", "[parity]\nsamples = []\n[publisher]", "a sample that is used in every"),
        ("[publisher]",
         "[[parity.samples]]\naxes = {H = 1, W = 1}\nfiles = {image = {path = '/a'}}\n[publisher]",
         r"parity.samples\[0\].files.image.sha256 is missing"),
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


@pytest.mark.parametrize(
    "table", ["upstream", "license", "contract", "names", "parity", "publisher"]
)
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

"""Recipes are found by name, or read from a file that departs from a named one."""

from dataclasses import replace
from pathlib import Path

import pytest

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError, UsageError
from release_tool.recipes.catalog import RECIPES, open_recipe, parse_recipe
from release_tool.recipes.metadata import make_metadata, pinned_metadata
from release_tool.recipes.recipe import Formats, ParityInput, Picture, check_inner_path
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


def test_a_recipe_file_changes_what_it_names_and_nothing_else(tmp_path: Path):
    path = tmp_path / "own.toml"
    path.write_text(
        f"""
        base = "u2netp"
        model_id = "own_v1"
        [upstream]
        commit = "{"12" * 20}"
        license_sha256 = "{DIGEST}"
        [graph]
        opset = 18
        operators = ["Conv", "Relu"]
        skeletons = {{ "torch 2.13.0" = "{DIGEST}" }}
        [parity]
        error_ratio = 2
        inputs = [
          {{ height = 8, width = 9 }},
          {{ height = 7, width = 7, full = true, picture = {PICTURE} }},
        ]
        [formats]
        manifest_schema = "own-manifest-v1"
        metadata_prefix = "own."
        [publisher]
        repo = "own/models"
        """
    )
    recipe = open_recipe(str(path))
    assert recipe.model_id == "own_v1"
    assert str(recipe.upstream.commit) == "12" * 20
    assert recipe.upstream.license_sha256 == Sha256.parse(DIGEST)
    assert recipe.graph.operators == {"Conv", "Relu"}
    picture = Picture("a.png", Sha256.parse(DIGEST))
    assert recipe.parity.inputs == (ParityInput(8, 9), ParityInput(7, 7, picture, full=True))
    assert recipe.parity.pictures == (picture,)
    assert recipe.parity.error_ratio == 2.0
    assert str(recipe.publisher.repo) == "own/models"
    assert recipe.formats == Formats("own-manifest-v1", "own.")
    # With the base's ids the base's publisher would be believed under the new name.
    assert (recipe.publisher.owner_id, recipe.publisher.repo_id) == (None, None)
    assert recipe.names == U2NETP.names
    assert recipe.skeleton_for("2.13.0+cpu") == Sha256.parse(DIGEST)
    assert recipe.skeleton_for("2.14.0") is None


def test_a_file_that_names_the_bases_repository_keeps_its_ids(tmp_path: Path):
    """Without them whoever takes the name after a renaming would be believed."""
    path = tmp_path / "own.toml"
    path.write_text('[publisher]\nrepo = "VMAFx/vmafx"\nrefs = ["refs/heads/next"]\n')
    expected = replace(U2NETP.publisher, refs=("refs/heads/next",))
    assert open_recipe(str(path)).publisher == expected


def test_another_checkpoint_has_other_sources_or_none():
    changed = parse_recipe(f"[checkpoint]\nsha256 = '{DIGEST}'".encode(), "own.toml")
    assert changed.checkpoint.sources == ()
    named = b"[checkpoint]\nsources = ['https://example.org/x', 'https://example.net/x']"
    assert parse_recipe(named, "own.toml").checkpoint.sources == (
        "https://example.org/x",
        "https://example.net/x",
    )
    assert parse_recipe(b"model_id = 'own'", "own.toml").checkpoint == U2NETP.checkpoint


def test_upstreams_own_source_comes_first():
    for recipe in (U2NETP, U2NET):
        hosts = [source.split("/")[2] for source in recipe.checkpoint.sources]
        assert hosts == ["drive.google.com", "huggingface.co"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[checkpoint]\nsources = 'https://example.org'", "should be a list of strings"),
        ("checkpoint = 3", "checkpoint is not a table"),
        ("base = 'none'", "base is none of"),
        ("nonsense", "is not a recipe"),
        ("colour = 'red'", "unknown key colour"),
        ("[graph]\ncolour = 1", "unknown key graph.colour"),
        ("graph = 3", "graph is not a table"),
        ("[graph]\nopset = 'x'", "graph.opset should be of type int"),
        ("[graph]\noperators = 'Conv'", "should be a list of strings"),
        ("[upstream]\ncommit = 'main'", "not a full git commit id"),
        ("[upstream]\nmodule_path = '../x'", "not a path inside"),
        ("[upstream]\nclass_name = 'a.b'", "not a class name"),
        ("[names]\nmodel = 'a b.onnx'", "GitHub would change"),
        ("[names]\nmodel = 'model.bin'", "ends in .onnx"),
        ("[parity]\ninputs = [{height = 1}]", "is not a recipe"),
        ("[parity]\ninputs = [{height = 1, width = 0}]", "1x0 pixels has no pixel"),
        ("[parity]\ninputs = []", "needs an input that is used in every export"),
        ("[[parity.inputs]]\nheight = 1\nwidth = 1\npicture = {path = '/a'}", "is not a recipe"),
        ("[formats]\nmanifest_schema = ''", "not a name of a schema"),
        ("[formats]\nmanifest_schema = 'a b'", "not a name of a schema"),
        ("[formats]\nmetadata_prefix = 'own'", "not a prefix of metadata keys"),
        ("[publisher]\nrepo = 'x'", "not a repository"),
        ("[publisher]\nrefs = ['main']", "not a full git ref"),
        ("[publisher]\nowner_id = 7", "publisher.owner_id should be of type str"),
        ("[publisher]\nrepo = 'a/b'\nowner_id = 'x'", "not a numeric id"),
    ],
)
def test_a_malformed_recipe_is_refused_with_the_place(content: str, reason: str):
    with pytest.raises((InputError, UsageError), match=reason):
        parse_recipe(content.encode(), "own.toml")


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

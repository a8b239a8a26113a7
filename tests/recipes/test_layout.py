"""The one table of a release's files: what follows from it, and that nothing else lists them."""

import ast
import importlib.util
from pathlib import Path

import pytest

from release_tool.recipes import layout
from release_tool.recipes.u2netp import U2NETP

NAMES = U2NETP.names
ROOT = Path(str(importlib.util.find_spec("release_tool").origin)).parent  # type: ignore[union-attr]


def test_every_file_has_a_name_of_its_own_in_a_release():
    names = layout.file_names(NAMES)
    assert len(set(names.values())) == len(layout.FILES) == len(names)
    assert names["manifest"] == "u2netp_mirror_v1.manifest.json"


def test_beside_a_renamed_model_only_names_that_follow_it_change():
    installed = {row.role: row.name_in(NAMES, NAMES.installed_model) for row in layout.FILES}
    assert installed["bundle"] == "u2netp_mirror.onnx.sigstore.json"
    assert installed["license"] == NAMES.license


def test_the_statement_lists_every_file_but_itself():
    assert [row.role for row in layout.FILES if not row.subject] == ["provenance"]


def test_a_name_with_marks_of_a_template_is_taken_as_it_is():
    assert layout.BUNDLE.name_in(NAMES, "{odd}.onnx") == "{odd}.onnx.sigstore.json"


def test_the_model_is_limited_by_its_recipe_and_fetched_last():
    limits = layout.limits(NAMES, 7)
    assert list(limits.items())[-1] == (NAMES.model, 7)
    assert limits.keys() == set(layout.file_names(NAMES).values())


@pytest.mark.parametrize(
    "ending", [".sigstore.json", ".manifest.json", ".provenance.sigstore.json"]
)
def test_how_the_name_of_a_file_ends_is_written_in_the_table_alone(ending: str):
    found = [
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if node.value.endswith(ending) and " " not in node.value
    ]
    assert set(found) == {"recipes/layout.py"}

"""An export of a recipe with published results is a replay too, or the manifest says no."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from release_tool.core.errors import UsageError
from release_tool.core.names import CommitId
from release_tool.evaluate.needs import check_installed
from release_tool.recipes.catalog import open_recipe
from release_tool.recipes.recipe import Recipe
from release_tool.recipes.toml.writing import write_recipe
from release_tool.rehearsal.upstream import run_git
from tests.evaluate.conftest import draw_picture, encode, publish

pytestmark = pytest.mark.usefixtures("unmeasured_children")


@dataclass(frozen=True)
class PublishedStandIn:
    """The stand-in upstream with pictures and with results, of its own or of another network."""

    options: list[str]
    recipe: Recipe
    model: Path


def publish_standin(standin, exported: Path, shown: Path, place: Path) -> PublishedStandIn:
    """Commit pictures, and what the model `shown` makes of them, to a copy of the stand-in."""
    checkout = place / "upstream"
    shutil.copytree(standin.checkout, checkout)
    pictures = {"pictures/one.png": encode(draw_picture(1, 40, 50))}
    spec, files = publish(shown, pictures)
    for path, content in files.items():
        (checkout / path).parent.mkdir(exist_ok=True)
        (checkout / path).write_bytes(content)
    run_git(checkout, ["add", "--all"])
    run_git(checkout, ["commit", "--quiet", "--message=Results"])
    commit = CommitId.parse(run_git(checkout, ["rev-parse", "HEAD"]))
    upstream = replace(standin.recipe.upstream, commit=commit)
    recipe = replace(standin.recipe, upstream=upstream, replay=spec)
    file = place / "published.toml"
    file.write_text(write_recipe(recipe))
    sources = ["--upstream-dir", str(checkout), "--checkpoint", str(standin.checkpoint)]
    return PublishedStandIn([*sources, "--recipe", str(file)], recipe, exported)


@pytest.fixture(scope="module")
def exported(rehearsed) -> Path:
    """The stand-in's model, whose bytes do not depend on the pictures but for its metadata."""
    model: Path = rehearsed.model
    return model


@pytest.fixture(scope="module")
def genuine(standin, exported, tmp_path_factory) -> PublishedStandIn:
    return publish_standin(standin, exported, exported, tmp_path_factory.mktemp("genuine"))


@pytest.fixture(scope="module")
def foreign(standin, exported, published, tmp_path_factory) -> PublishedStandIn:
    place = tmp_path_factory.mktemp("foreign")
    return publish_standin(standin, exported, published.model, place)


def manifest_of(directory: Path, recipe: Recipe) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((directory / recipe.names.manifest).read_bytes())
    return document


def test_a_recipe_with_published_results_is_read_from_a_file_as_it_was_written(genuine):
    assert open_recipe(genuine.options[-1]).replay == genuine.recipe.replay


def test_an_export_replays_and_its_manifest_says_what(run, genuine, tmp_path):
    done = run("export", *genuine.options, "--out", tmp_path / "out")
    assert done.code == 0, done.err
    assert "✓ replay" in done.err
    claim = manifest_of(tmp_path / "out", genuine.recipe)["gates"]["replay"]
    spec = genuine.recipe.replay
    assert claim["passed"] is True
    assert claim["preparation"] == list(spec.preparation)
    assert claim["iou_at_least"] == spec.bounds.iou
    assert [each["picture"] for each in claim["pictures"]] == ["pictures/one.png"]


def test_an_export_whose_replay_fails_leaves_nothing_behind(run, foreign, tmp_path):
    done = run("export", *foreign.options, "--out", tmp_path / "out")
    assert done.code == 4
    assert "the replay does not hold" in done.err
    assert "the worst picture is one.png" in done.err
    assert not (tmp_path / "out").exists()


def test_without_a_replay_the_manifest_says_so(run, foreign, tmp_path):
    done = run("export", *foreign.options, "--out", tmp_path / "out", "--no-replay")
    assert done.code == 0, done.err
    assert manifest_of(tmp_path / "out", foreign.recipe)["gates"]["replay"] == "not run"


def test_a_manifest_is_silent_where_the_recipe_has_nothing_to_replay(rehearsed, standin):
    assert "replay" not in manifest_of(rehearsed.directory, standin.recipe)["gates"]


@pytest.mark.parametrize(("which", "code"), [("genuine", 0), ("foreign", 4)])
def test_the_command_measures_and_ends_in_the_verdict(run, request, tmp_path, which, code):
    given = request.getfixturevalue(which)
    out = tmp_path / "report"
    sources = [given.options[0], given.options[1], *given.options[-2:]]
    done = run("evaluate", given.model, *sources, "--out", out, "--json")
    assert done.code == code, done.err
    written = json.loads((out / "evaluation.json").read_bytes())
    assert written["replay"]["passed"] is (code == 0)
    assert done.document["replay"] == written["replay"]
    assert [each["picture"] for each in written["replay"]["pictures"]] == ["one.png"]


def test_a_changed_result_is_not_what_upstream_published(run, genuine, tmp_path):
    checkout = tmp_path / "upstream"
    shutil.copytree(genuine.options[1], checkout)
    (checkout / "results/one.png").write_bytes(encode(draw_picture(2, 40, 50)))
    options = ["--upstream-dir", checkout, *genuine.options[-2:]]
    done = run("evaluate", genuine.model, *options, "--out", tmp_path / "report")
    assert done.code == 3
    assert "results/one.png of the checkout is not the audited one" in done.err
    assert not (tmp_path / "report").exists()


def test_a_recipe_without_published_results_cannot_be_replayed(run, rehearsed, tmp_path):
    done = run("evaluate", rehearsed.model, "--recipe", "u2net", "--out", tmp_path)
    assert done.code == 2
    assert "there is nothing to replay" in done.err


def test_what_an_installation_lacks_is_named_with_the_extra_that_brings_it():
    with pytest.raises(UsageError, match="an evaluation needs not_there") as caught:
        check_installed(("numpy", "not_there"))
    assert "[evaluate]" in str(caught.value.hint)

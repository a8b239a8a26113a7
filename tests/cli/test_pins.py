"""What the recipe does not pin is refused at every stage by itself, or marked at every one."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from release_tool.core.digest import Sha256
from release_tool.core.names import RepoSlug
from release_tool.recipes.recipe import Publisher, Recipe
from release_tool.recipes.toml.writing import write_recipe
from release_tool.sigstore.trust.signer import GITHUB_ISSUER

REPO, TAG = "rehearsal/u2netp-mirror", "u2netp-mirror-v1"
PUBLISHER = Publisher(RepoSlug.parse(REPO), "release.yml", ("refs/heads/main",), GITHUB_ISSUER)
SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "verdict.schema.json").read_text())
BUNDLES = ("u2netp_mirror_v1.onnx.sigstore.json", "u2netp_mirror_v1.provenance.sigstore.json")


def write(path: Path, recipe: Recipe) -> list[str]:
    """Write a recipe whose publisher signs here; returns the option that names it."""
    path.write_text(write_recipe(replace(recipe, publisher=PUBLISHER)))
    return ["--recipe", str(path)]


@pytest.fixture
def foreign(standin, tmp_path: Path) -> list[str]:
    """The recipe that the stand-in was exported by, as seen from `pinned`: another network's."""
    return write(tmp_path / "foreign.toml", standin.recipe)


@pytest.fixture(params=["a foreign network", "another checkpoint"])
def pinned(request, standin, tmp_path: Path) -> list[str]:
    """A recipe of the same names that pins another upstream, or another checkpoint of it."""
    recipe = standin.recipe
    if request.param == "a foreign network":
        upstream = replace(
            recipe.upstream,
            repo="https://example.org/net",
            modules=(("model/u2net.py", recipe.checkpoint.sha256),),
        )
        return write(tmp_path / "pinned.toml", replace(recipe, upstream=upstream))
    checkpoint = replace(recipe.checkpoint, sha256=recipe.upstream.modules[0][1])
    return write(tmp_path / "pinned.toml", replace(recipe, checkpoint=checkpoint))


@pytest.fixture
def exported(rehearsed, tmp_path: Path) -> Path:
    """What `export` made by the recipe of the stand-in, not yet signed."""
    directory = tmp_path / "dist"
    shutil.copytree(rehearsed.directory, directory)
    shutil.rmtree(directory / "rehearsal")
    for name in BUNDLES:
        (directory / name).unlink()
    return directory


@pytest.fixture
def signing(world) -> list[str]:
    token = world.sigstore.make_identity_token()
    return ["--sigstore", str(world.trust_config), "--identity-token", token]


@pytest.fixture
def root(world) -> list[str]:
    return ["--trusted-root", str(world.trust_config)]


def test_it_is_refused_when_it_is_signed(run, world, exported, pinned, signing):
    refused = run("sign", exported, *signing, *pinned)
    assert refused.code == 3
    assert "this is not what the recipe u2netp-rehearsal pins: upstream." in refused.err
    assert "--unpinned" in refused.err
    assert not any((exported / name).exists() for name in BUNDLES)
    doctor = run("doctor", exported, "--repo", REPO, *world.api, *signing, *pinned)
    assert doctor.code == 3
    assert "directory" in doctor.out


def test_an_export_of_another_checkpoint_is_not_signed(run, world, standin, tmp_path, signing):
    recipe = standin.recipe
    checkpoint = replace(recipe.checkpoint, sha256=recipe.upstream.modules[0][1])
    pinned = write(tmp_path / "pinned.toml", replace(recipe, checkpoint=checkpoint))
    sources = ["--upstream-dir", standin.checkout, "--checkpoint", standin.checkpoint]
    out = tmp_path / "dist"
    assert run("export", *sources, *pinned, "--out", out).code == 3
    made = run("export", *sources, *pinned, "--out", out, "--unpinned-checkpoint")
    assert made.code == 0, made.err
    refused = run("sign", out, *signing, *pinned)
    assert refused.code == 3
    assert "upstream.checkpoint_sha256 is sha256:" in refused.err
    assert run("sign", out, *signing, *pinned, "--unpinned").code == 0


def test_signed_otherwise_it_is_refused_when_it_is_uploaded_and_by_the_default_verdict(
    run, world, exported, pinned, foreign, signing, root
):
    assert run("sign", exported, *signing, *foreign).code == 0
    upload = ["upload", exported, "--repo", REPO, *root, *world.api]
    refused = run(*upload, *pinned)
    assert refused.code == 3
    assert "this is not what the recipe u2netp-rehearsal pins: upstream." in refused.err
    # Its manifest does not say that it is unpinned, so there is nothing to take in spite of it.
    assert run(*upload, *pinned, "--unpinned").code == 3
    assert not world.github.state.releases
    model = exported / "u2netp_mirror_v1.onnx"
    for path in (exported, model):
        assert run("verify", path, *root, *pinned).code == 8
        assert run("verify", path, *root, *foreign).code == 0
        assert run("verify", path, *root, *pinned, "--repo", REPO).code == 8
    by_hand = run("verify", model, *root, "--repo", REPO)
    assert by_hand.code == 0, by_hand.err
    assert "unpinned" not in by_hand.out


def test_taken_in_spite_of_that_it_is_marked_at_every_stage(
    run, world, exported, pinned, foreign, signing, root, tmp_path
):
    signed = run("sign", exported, *signing, *pinned, "--unpinned")
    assert signed.code == 0, signed.err
    assert "unpinned" in signed.out
    manifest = json.loads((exported / "u2netp_mirror_v1.manifest.json").read_text())
    assert manifest["unpinned"]
    assert set(manifest["unpinned"]) <= {
        "upstream.repo", "upstream.module_sha256", "upstream.modules",
        "upstream.checkpoint_sha256"
    }  # fmt: skip
    again = run("sign", exported, *signing, *pinned, "--unpinned")
    assert "reusing the signatures" in again.err
    assert run("sign", exported, *signing, *pinned).code == 3

    upload = ["upload", exported, "--repo", REPO, *root, *world.api, *pinned]
    assert run(*upload).code == 3
    assert run(*upload, "--unpinned").code == 0
    [release] = world.github.state.releases.values()
    assert "**Unpinned**" in release.body
    assert all(f"`{claim}`" in release.body for claim in manifest["unpinned"])

    refused = run("verify", exported, *root, *pinned)
    assert refused.code == 8
    assert "as the recipe u2netp-rehearsal pins it" in refused.err
    # Not even by the recipe that pins it all: it was released as what it is not.
    assert run("verify", exported, *root, *foreign).code == 8
    fetch = ["fetch", f"{REPO}@{TAG}", "--to", tmp_path / "to", *root, *world.api, *pinned]
    assert run(*fetch).code == 8
    assert not (tmp_path / "to" / "u2netp_mirror.onnx").exists()

    fetched = run(*fetch[:-2], "--repo", REPO)
    assert fetched.code == 0, fetched.err
    claims = ", ".join(manifest["unpinned"])
    assert f"{claims}: not what the recipe pins" in fetched.out
    document = run("verify", exported, *root, "--repo", REPO, "--json").document
    assert document["unpinned"] == manifest["unpinned"]
    jsonschema.validate(document, SCHEMA)


def test_a_model_that_contradicts_its_manifest_is_refused_before_anything_is_signed(
    run, world, exported, foreign, signing
):
    """Its digest is restated, so that only what the model says of itself tells."""
    model = exported / "u2netp_mirror_v1.onnx"
    before = model.read_bytes()
    after = before.replace(b"https://rehearsal.invalid", b"https://elsewhere.invalid", 1)
    assert len(after) == len(before)
    model.write_bytes(after)
    manifest = exported / "u2netp_mirror_v1.manifest.json"
    digests = [Sha256.of_bytes(content).hex for content in (before, after)]
    manifest.write_text(manifest.read_text().replace(*digests))
    logged = len(world.sigstore.rekor.entries)
    refused = run("sign", exported, *signing, *foreign)
    assert refused.code == 3
    assert "the model's metadata 'lusoris.upstream_repo'" in refused.err
    assert not any((exported / name).exists() for name in BUNDLES)
    assert len(world.sigstore.rekor.entries) == logged


def test_a_pinned_release_says_nothing_of_it(run, world, exported, foreign, signing, root):
    assert "unpinned" not in run("sign", exported, *signing, *foreign).out
    verified = run("verify", exported, *root, *foreign, "--json")
    assert verified.document["unpinned"] == []
    assert run("sign", exported, *signing, *foreign, "--unpinned").code == 0
    manifest = json.loads((exported / "u2netp_mirror_v1.manifest.json").read_text())
    assert manifest["unpinned"] == []


def test_a_rehearsal_says_by_which_recipe_it_is(run, rehearsed):
    """Its own command passes and says so; a verdict by the recipe that it stands for refuses it."""
    verified = run(*rehearsed.verify_command)
    assert verified.code == 0
    assert "recipe     u2netp-rehearsal" in verified.out
    assert run(*rehearsed.verify_command, "--recipe", "u2netp").code == 8
    root = ["--trusted-root", rehearsed.trusted_root]
    assert run("verify", rehearsed.model, *root).code == 8


def test_the_release_notes_are_the_manifests_and_not_the_recipes(
    run, world, exported, foreign, signing, root, standin, tmp_path
):
    """A recipe of other credits pins the same network: what was released is what is told."""
    other = replace(standin.recipe.attribution, title="Something else")
    credits_only = write(tmp_path / "o.toml", replace(standin.recipe, attribution=other))
    assert run("sign", exported, *signing, *foreign).code == 0
    upload = ["upload", exported, "--repo", REPO, *root, *world.api, *credits_only]
    assert run(*upload).code == 0
    [release] = world.github.state.releases.values()
    assert standin.recipe.upstream.repo in release.body
    assert str(standin.recipe.checkpoint.sha256) in release.body
    assert "Something else" not in release.body

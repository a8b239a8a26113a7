"""A release of any recipe is judged by its own, where a signer is named and no recipe."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from release_tool.core.errors import CannotVerify, NotVerified
from release_tool.recipes import layout
from release_tool.recipes.recipe import Formats, Recipe, ReleaseNames
from release_tool.recipes.u2netp import U2NETP
from release_tool.verify.evidence import open_evidence
from release_tool.verify.release import VerifiedRelease
from release_tool.verify.verdict import verify_release
from tests.verify.conftest import ReleaseMaker, Signer

OWN = replace(
    U2NETP,
    name="tiny",
    model_id="tiny_v3",
    names=ReleaseNames("tiny_v3.onnx", "MIT-tiny.txt", "NOTICE-tiny.txt", "tiny.onnx"),
    formats=Formats("tiny-export-manifest-v1", "tiny."),
)
FILES = layout.file_names(OWN.names)


@pytest.fixture(scope="session")
def tiny(v1: Signer) -> ReleaseMaker:
    return ReleaseMaker(v1, OWN)


@pytest.fixture
def release(tiny: ReleaseMaker, tmp_path: Path) -> Path:
    return tiny.make(tmp_path / "release")


@pytest.fixture
def judge(v1: Signer) -> Callable[..., VerifiedRelease]:
    def verify(path: Path, recipe: Recipe | None = None) -> VerifiedRelease:
        return verify_release(open_evidence(path, recipe), v1.expected, v1.root)

    return verify


def test_it_is_verified_whole_and_says_which_recipe_it_claims(judge, release: Path):
    verified = judge(release)
    assert [file.name for file in verified.artifacts] == [
        *(FILES[role] for role in ("model", "bundle", "provenance", "manifest", "recipe")),
        "MIT-tiny.txt",
    ]
    assert verified.provenance is not None
    assert verified.provenance.recipe == "example"
    assert judge(release / OWN.names.model).artifacts == verified.artifacts


def test_another_recipe_that_is_named_is_held_against_it(judge, release: Path):
    with pytest.raises(NotVerified, match=r"subjects of the provenance: expected u2netp_mirror_v1"):
        judge(release / OWN.names.model, U2NETP)
    with pytest.raises(CannotVerify, match=r"holds tiny_v3.onnx, not u2netp_mirror_v1.onnx"):
        judge(release, U2NETP)


def test_a_whole_release_needs_its_recipe_and_a_model_does_not(judge, release: Path):
    (release / FILES["recipe"]).unlink()
    with pytest.raises(CannotVerify, match=r"lacks its recipe, tiny_v3.recipe.toml"):
        judge(release)
    verified = judge(release / OWN.names.model)
    assert [file.role for file in verified.artifacts] == [
        *("model", "bundle", "provenance", "manifest")
    ]
    assert "recipe is not at hand" in verified.steps[-1].outcome


def test_beside_a_model_without_provenance_the_recipe_vouches_for_nothing(judge, release: Path):
    (release / FILES["provenance"]).unlink()
    verified = judge(release / OWN.names.model)
    assert [file.role for file in verified.artifacts] == ["model"]
    assert verified.signature_only


@pytest.mark.parametrize(
    ("change", "error", "reason"),
    [
        (lambda text: text + b"\n", NotVerified, "digest of tiny_v3.recipe.toml"),
        (lambda text: text.replace(b"MIT-tiny", b"MIT-tini"), CannotVerify, "lacks its license"),
        (lambda text: text.replace(b"tiny_v3.onnx", b"../x.onnx"), CannotVerify, "GitHub would"),
        (lambda text: text[:40], CannotVerify, "the release's recipe is not a recipe"),
        (lambda text: b"a=[" * 1000, CannotVerify, "the release's recipe is not a recipe"),
        (lambda text: text * 100, CannotVerify, "larger than"),
    ],
)
def test_a_changed_recipe_is_refused(judge, release: Path, change, error, reason):
    path = release / FILES["recipe"]
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(error, match=reason):
        judge(release)


def test_a_recipe_of_another_release_is_refused(judge, tiny, v1, release: Path, tmp_path: Path):
    other = replace(OWN, name="other")
    made = ReleaseMaker(v1, other).make(tmp_path / "other")
    shutil.copy(made / FILES["recipe"], release / FILES["recipe"])
    with pytest.raises(NotVerified, match=r"digest of tiny_v3.recipe.toml"):
        judge(release)


@pytest.mark.parametrize(
    "roles",
    [
        {"tiny_v3.manifest.json": "license", "MIT-tiny.txt": "manifest"},
        {"tiny_v3.onnx": "recipe", "tiny_v3.recipe.toml": "model"},
        {"tiny_v3.recipe.toml": "weights"},
    ],
)
def test_a_file_in_a_role_that_was_not_signed_is_refused(judge, tiny, tmp_path: Path, roles):
    def restate(payload: bytes) -> bytes:
        statement = json.loads(payload)
        statement["predicate"]["buildDefinition"]["internalParameters"]["roles"] |= roles
        return json.dumps(statement).encode()

    release = tiny.make(tmp_path / "restated", restate=restate)
    with pytest.raises(NotVerified, match=r"by the signed statement: expected"):
        judge(release)


def test_a_statement_that_gives_no_roles_gives_no_verdict(judge, tiny, tmp_path: Path):
    def restate(payload: bytes) -> bytes:
        statement = json.loads(payload)
        del statement["predicate"]["buildDefinition"]["internalParameters"]["roles"]
        return json.dumps(statement).encode()

    release = tiny.make(tmp_path / "restated", restate=restate)
    with pytest.raises(CannotVerify, match=r"no role of its own"):
        judge(release)

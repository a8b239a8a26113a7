"""The statement: in-toto v1 with SLSA v1, whose bytes are kept as they were signed."""

import json

import pytest

from release_tool.core.artifact import Artifact
from release_tool.core.digest import Sha256
from release_tool.core.documents import encode_json
from release_tool.core.errors import InputError
from release_tool.provenance.manifest import Manifest
from release_tool.provenance.statement import (
    LOCAL_BUILDER,
    Builder,
    Statement,
    Subject,
    make_statement,
)

FILES = (Artifact.of_bytes("a.onnx", b"model"), Artifact.of_bytes("a.manifest.json", b"{}"))
ROLES = {"a.onnx": "model", "a.manifest.json": "manifest"}
ACTIONS = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_WORKFLOW_REF": "o/r/.github/workflows/release.yml@refs/heads/main",
    "GITHUB_REPOSITORY": "o/r",
    "GITHUB_RUN_ID": "7",
    "GITHUB_RUN_ATTEMPT": "2",
}


def test_a_statement_has_a_subject_for_every_file(manifest: Manifest):
    statement = make_statement(FILES, manifest, Builder(LOCAL_BUILDER), ROLES)
    assert statement.subjects == tuple(Subject(file.name, file.digest) for file in FILES)
    assert statement.predicate_type == "https://slsa.dev/provenance/v1"
    assert Statement.parse(statement.payload) == statement


def test_a_statement_says_what_each_file_is(manifest: Manifest):
    statement = make_statement(FILES, manifest, Builder(LOCAL_BUILDER), ROLES)
    assert {role: subject.name for role, subject in statement.roles.items()} == {
        "model": "a.onnx",
        "manifest": "a.manifest.json",
    }


@pytest.mark.parametrize(
    "roles", [{"a.onnx": "model", "a.manifest.json": "model"}, {}, {"a.onnx": 3}]
)
def test_a_file_without_a_role_of_its_own_is_refused(manifest: Manifest, roles: dict[str, str]):
    statement = make_statement(FILES, manifest, Builder(LOCAL_BUILDER), ROLES)
    statement.parameters["roles"] = roles
    with pytest.raises(InputError, match="no role of its own"):
        assert statement.roles


def test_commit_checkpoint_and_toolchain_are_resolved_dependencies(manifest: Manifest):
    statement = make_statement(FILES, manifest, Builder(LOCAL_BUILDER), ROLES)
    dependencies = statement.predicate["buildDefinition"]["resolvedDependencies"]
    assert dependencies[0]["digest"] == {"gitCommit": "ab" * 20}
    assert dependencies[1]["digest"] == {"sha256": manifest.upstream.checkpoint_sha256.hex}
    assert {"name": "torch", "uri": "pkg:pypi/torch@2.13.0%2Bcpu"} in dependencies
    assert {"name": "python", "uri": "pkg:generic/python@3.11.7"} in dependencies


def test_under_actions_the_workflow_is_the_builder_and_the_run_is_named(manifest: Manifest):
    builder = Builder.from_environment(ACTIONS)
    details = make_statement(FILES, manifest, builder, ROLES).predicate["runDetails"]
    assert details["builder"]["id"] == (
        "https://github.com/o/r/.github/workflows/release.yml@refs/heads/main"
    )
    assert details["metadata"]["invocationId"] == (
        "https://github.com/o/r/actions/runs/7/attempts/2"
    )


def test_elsewhere_the_builder_is_local_and_the_bytes_are_the_same_twice(manifest: Manifest):
    assert Builder.from_environment({"GITHUB_WORKFLOW_REF": "x"}).id == LOCAL_BUILDER
    first, second = (
        make_statement(FILES, manifest, Builder(LOCAL_BUILDER), ROLES) for _ in range(2)
    )
    assert first.payload == second.payload


def test_the_version_before_is_read_alike(manifest: Manifest):
    statement = make_statement(FILES, manifest, Builder(LOCAL_BUILDER), ROLES)
    older = Statement.parse(change(statement, _type="https://in-toto.io/Statement/v0.1"))
    assert older.subjects == statement.subjects
    assert older.predicate == statement.predicate


def change(statement: Statement, **fields: object) -> bytes:
    return encode_json({**json.loads(statement.payload), **fields})


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"_type": "https://in-toto.io/Statement/v0.2"}, "the statement's type"),
        ({"predicateType": 3}, "no type of predicate"),
        ({"subject": []}, "no subjects"),
        ({"subject": "x"}, "no subjects"),
        ({"subject": [3]}, "lacks its name or its"),
        ({"subject": [{"name": "a", "digest": {"sha512": "x"}}]}, "lacks its name"),
        ({"subject": [{"digest": {"sha256": "ab" * 32}}]}, "lacks its name"),
        ({"subject": [{"name": "a", "digest": {"sha256": "AB" * 32}}]}, "not a SHA-256"),
        ({"subject": [{"name": "a", "digest": {"sha256": "ab" * 32}}] * 2}, "have one name"),
    ],
)
def test_a_malformed_statement_is_refused(
    manifest: Manifest, fields: dict[str, object], reason: str
):
    statement = make_statement(FILES, manifest, Builder(LOCAL_BUILDER), ROLES)
    with pytest.raises(InputError, match=reason):
        Statement.parse(change(statement, **fields))


MODEL = {"name": "a", "digest": {"sha256": "ab" * 32}}
FOREIGN = {"buildDefinition": {"buildType": "https://example.org/build"}}


@pytest.mark.parametrize(
    "more",
    [
        [MODEL],
        [{"name": "a", "digest": {"sha256": "cd" * 32}}],
        [{"name": "the source", "digest": {"gitCommit": "ab" * 20}}],
        [{"name": "b", "digest": {"sha512": "ab" * 64}}],
        [{"digest": {"sha256": "cd" * 32}}],
        [{"uri": "pkg:pypi/b@1", "digest": {"sha512": "ab" * 64}}],
        [{"name": f"file{number}", "digest": {"sha256": "cd" * 32}} for number in range(5000)],
    ],
)
def test_a_statement_that_is_not_ours_may_be_about_anything_else_too(
    manifest: Manifest, more: list[dict[str, object]]
):
    statement = make_statement(FILES, manifest, Builder(LOCAL_BUILDER), ROLES)
    for subjects in ([MODEL, *more], [*more, MODEL]):
        foreign = Statement.parse(change(statement, subject=subjects, predicate=FOREIGN))
        assert Subject("a", Sha256("ab" * 32)) in foreign.subjects


@pytest.mark.parametrize(
    "subjects",
    [
        [],
        [3],
        [{"name": "a"}],
        [{"name": "a", "digest": "ab" * 32}],
        [{"name": "a", "digest": {"sha512": "ab" * 64}}],
        [{"name": 3, "digest": {"sha256": "ab" * 32}}],
        [{"name": "a", "digest": {"sha256": "AB" * 32}}],
        [{"name": "a", "digest": {"sha256": ["ab" * 32]}}],
    ],
)
def test_a_statement_that_is_not_ours_needs_a_subject_with_a_sha256_digest_too(
    manifest: Manifest, subjects: list[object]
):
    statement = make_statement(FILES, manifest, Builder(LOCAL_BUILDER), ROLES)
    with pytest.raises(InputError):
        Statement.parse(change(statement, subject=subjects, predicate=FOREIGN))

"""Values are valid from birth: digests, artifacts, names."""

import copy
import hashlib
import io
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_tool.core.artifact import Artifact
from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError, UsageError
from release_tool.core.names import CommitId, Destination, RepoSlug, Tag, check_asset_name


@given(st.binary(max_size=4096))
def test_a_digest_is_the_same_however_the_bytes_arrive(content: bytes):
    expected = hashlib.sha256(content).hexdigest()
    assert Sha256.of_bytes(content).hex == expected
    assert Sha256.of_stream(io.BufferedReader(io.BytesIO(content))).hex == expected
    assert Sha256.parse(str(Sha256.of_bytes(content))).hex == expected


def test_a_digest_of_a_file_is_that_of_its_bytes(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"abc")
    assert Sha256.of_file(tmp_path / "a") == Sha256.of_bytes(b"abc")


@pytest.mark.parametrize("text", ["", "a" * 63, "A" * 64, "g" * 64, "a" * 65, "٣" * 64])
def test_what_is_no_digest_is_refused(text: str):
    with pytest.raises(InputError, match="not a SHA-256 digest"):
        Sha256(text)


def test_a_digest_without_its_prefix_is_refused():
    with pytest.raises(InputError, match="sha256:<hex>"):
        Sha256.parse("a" * 64)


def test_a_digest_cannot_be_changed_and_is_no_commit():
    digest = Sha256("ab" * 32)
    with pytest.raises(AttributeError, match="Sha256 cannot be changed"):
        digest.hex = "cd" * 32
    assert {copy.deepcopy(digest), pickle.loads(pickle.dumps(digest)), digest} == {digest}  # noqa: S301
    assert digest != CommitId("ab" * 32)
    assert digest != "ab" * 32


def test_an_artifact_knows_name_size_and_digest(tmp_path: Path):
    (tmp_path / "model.onnx").write_bytes(b"abc")
    artifact = Artifact.of_file(tmp_path / "model.onnx")
    assert artifact == Artifact.of_bytes("model.onnx", b"abc")
    assert Artifact.of_file(tmp_path / "model.onnx", "other.onnx").name == "other.onnx"


def test_an_artifact_of_negative_size_is_refused():
    with pytest.raises(InputError, match="negative size"):
        Artifact("a", -1, Sha256.of_bytes(b""))


@pytest.mark.parametrize("name", ["", ".hidden", "a b", "a/b", "ä", "a\n", "x" * 201, ".."])
def test_a_name_that_github_would_change_is_refused(name: str):
    with pytest.raises(InputError, match="GitHub would change"):
        check_asset_name(name)


@pytest.mark.parametrize("text", ["VMAFx/vmafx", "a/b.c_d-e", "o-o/x"])
def test_a_repository_is_written_as_it_was_read(text: str):
    assert str(RepoSlug.parse(text)) == text
    assert RepoSlug.parse(text).url == f"https://github.com/{text}"


@pytest.mark.parametrize(
    "text", ["", "a", "a/", "/b", "a/b/c", "a/..", "a/.", "-a/b", "a b/c", "a/b?c", "a/b\n", "ä/b"]
)
def test_what_is_no_repository_is_a_usage_error(text: str):
    with pytest.raises(UsageError, match="not a repository"):
        RepoSlug.parse(text)


@pytest.mark.parametrize("text", ["u2netp-mirror-v1", "v1.0.0", "1", "v1.0+build.2", "_x"])
def test_a_tag_is_written_as_it_was_read(text: str):
    assert str(Tag.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-v1",
        "v 1",
        "a/b",
        "../x",
        "a..b",
        "v1.",
        "v1.lock",
        ".v1",
        "v1\n",
        "v~1",
        "v^",
        "v:1",
        "HEAD",
        "ab" * 20,
    ],
)
def test_what_git_would_not_take_as_a_tag_is_a_usage_error(text: str):
    with pytest.raises(UsageError, match="not a tag"):
        Tag.parse(text)


def test_a_release_is_a_repository_at_a_tag():
    release = Destination.parse("owner/name@v1")
    assert (str(release.repo), str(release.tag), str(release)) == (
        "owner/name",
        "v1",
        "owner/name@v1",
    )
    for text in ("owner/name", "owner@v1", "owner/name@", "owner/name@a/b"):
        with pytest.raises(UsageError):
            Destination.parse(text)


def test_a_commit_is_forty_lowercase_digits():
    assert str(CommitId.parse("ab" * 20)) == "ab" * 20
    for text in ("ab", "AB" * 20, "ab" * 20 + "\n", "zz" * 20):
        with pytest.raises(InputError, match="not a full git commit id"):
            CommitId.parse(text)

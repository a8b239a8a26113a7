"""Whom to believe is composed exactly, from parts that are checked one by one."""

import pytest

from release_tool.core.errors import UsageError
from release_tool.core.names import RepoSlug
from release_tool.recipes.u2netp import U2NETP
from release_tool.sigstore.trust.signer import GITHUB_ISSUER, ExpectedSigner, Workflow

REPO = RepoSlug.parse("VMAFx/vmafx")


REFUSED_REFS = [
    "",
    "main",
    "refs/heads/",
    "refs/heads/a..b",
    "refs/heads/*",
    "refs/heads/<version>",
    "refs/tags/v<version>-rc",
    "refs/tags/<version><version>",
    "refs/tags/v<name>",
]


def test_a_workflow_is_expected_by_its_exact_identity_and_source_repository():
    signer = ExpectedSigner.of_workflow(REPO, "release.yml", "refs/tags/v1")
    expected = "https://github.com/VMAFx/vmafx/.github/workflows/release.yml@refs/tags/v1"
    assert signer.identity == expected
    assert (signer.issuer, signer.repo) == (GITHUB_ISSUER, REPO)
    assert signer.workflow == Workflow("release.yml", ("refs/tags/v1",))


def test_the_workflow_may_be_given_with_its_folder():
    with_folder = ExpectedSigner.of_workflow(REPO, ".github/workflows/release.yml")
    assert with_folder == ExpectedSigner.of_workflow(REPO, "release.yml")


def test_the_publisher_of_a_recipe_is_expected_by_default():
    signer = ExpectedSigner.of_publisher(U2NETP.publisher)
    assert signer.repo == REPO
    assert str(signer) == (
        "https://github.com/VMAFx/vmafx/.github/workflows/supply-chain.yml@refs/heads/master "
        "or @refs/tags/v<version>"
    )
    assert (signer.owner_id, signer.repo_id) == ("288567244", "1252235334")


@pytest.mark.parametrize("workflow", ["", "a/b.yml", "../x.yml", "release", "r.yml@x", "*.yml"])
def test_what_is_no_workflow_file_is_a_usage_error(workflow: str):
    with pytest.raises(UsageError, match="not a workflow file"):
        ExpectedSigner.of_workflow(REPO, workflow)


@pytest.mark.parametrize("ref", REFUSED_REFS)
def test_what_is_no_full_ref_is_a_usage_error(ref: str):
    with pytest.raises(UsageError, match="not a full git ref"):
        ExpectedSigner.of_workflow(REPO, "release.yml", ref)


@pytest.mark.parametrize(("identity", "issuer"), [("", "https://i"), ("a@b", "")])
def test_an_identity_without_an_issuer_is_a_usage_error(identity: str, issuer: str):
    with pytest.raises(UsageError, match="an identity and an issuer"):
        ExpectedSigner.exact(identity, issuer)


def test_a_repository_id_is_digits():
    with pytest.raises(UsageError, match="numeric id"):
        ExpectedSigner("a", "b", repo_id="x1")
    assert ExpectedSigner("a", "b", repo_id="42").repo_id == "42"

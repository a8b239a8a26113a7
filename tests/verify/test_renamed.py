"""GitHub's ids tell a repository that was renamed from one that took its name (decision 13)."""

from dataclasses import replace

import pytest

from release_tool.core.errors import NotVerified
from release_tool.recipes.u2netp import U2NETP
from release_tool.sigstore.trust.signer import ExpectedSigner

OWNER, REPO = "288567244", "1252235334"
WORKFLOW = ".github/workflows/supply-chain.yml"
EXPECTED = ExpectedSigner.of_publisher(U2NETP.publisher)


def claims(repo: str = "VMAFx/vmafx", ref: str = "refs/heads/master", **others: str | None):
    workflow = f"{repo}/{WORKFLOW}@{ref}"
    return {
        "repository": repo,
        "repository_owner": repo.partition("/")[0],
        "repository_owner_id": OWNER,
        "repository_id": REPO,
        "ref": ref,
        "workflow_ref": workflow,
        "job_workflow_ref": workflow,
        **others,
    }


@pytest.fixture
def judge(v1, content):
    def verify(expected: ExpectedSigner = EXPECTED, **given: str | None) -> str:
        bundle = v1.sign(content, **given)
        outcome: str = v1.verify(bundle, content, expected=expected).steps[8].outcome
        return outcome

    return verify


def test_the_publisher_is_known_by_name_and_ids(judge):
    assert judge(**claims()) == (
        "identity, issuer, source repository, source repository's owner id, source repository "
        "id, source ref"
    )


@pytest.mark.parametrize("ref", ["refs/tags/v3.1.0", "refs/tags/v3.2.0-rc.1"])
def test_a_version_tag_may_sign_too(judge, ref: str):
    judge(**claims(ref=ref))


@pytest.mark.parametrize(
    "ref", ["refs/heads/main", "refs/heads/v1", "refs/tags/vnext", "refs/tags/u2netp-mirror-v1"]
)
def test_no_other_ref_may_sign(judge, ref: str):
    with pytest.raises(NotVerified, match=r"identity of the signer: expected .*<version>, actual"):
        judge(**claims(ref=ref))


def test_a_renamed_owner_with_the_same_ids_is_verified_and_said(judge):
    assert judge(**claims("NewName/vmafx")).endswith("; VMAFx/vmafx is called NewName/vmafx there")
    assert judge(**claims("NewName/other")).endswith("is called NewName/other there")


@pytest.mark.parametrize(
    "ids",
    [
        {"repository_owner_id": "1"},
        {"repository_id": "1"},
        {"repository_owner_id": "1", "repository_id": "1"},
    ],
)
def test_the_old_name_with_other_ids_is_refused(judge, ids: dict[str, str]):
    with pytest.raises(NotVerified, match=r"id: expected \d+, actual 1"):
        judge(**claims(**ids))


@pytest.mark.parametrize(
    "ids",
    [
        {"repository_owner_id": "1"},
        {"repository_id": "1"},
    ],
)
def test_another_name_with_one_id_that_differs_is_refused(judge, ids: dict[str, str]):
    with pytest.raises(NotVerified, match="identity of the signer"):
        judge(**claims("NewName/vmafx", **ids))


def test_a_renamed_owners_other_workflow_or_ref_is_refused(judge):
    renamed = "NewName/vmafx"
    for workflow, ref in (("evil.yml", "refs/heads/master"), ("supply-chain.yml", "refs/heads/x")):
        path = f"{renamed}/.github/workflows/{workflow}@{ref}"
        given = claims(renamed, ref, workflow_ref=path, job_workflow_ref=path)
        with pytest.raises(NotVerified, match="identity of the signer"):
            judge(**given)


@pytest.mark.parametrize("lender", ["Evil/vmafx", "VMAFx/vmafx"])
def test_an_identity_of_another_name_than_the_certificates_own_repository_is_refused(
    judge, lender: str
):
    """The ids are the caller's; the identity is that of the workflow which it called."""
    called = f"{lender}/{WORKFLOW}@refs/heads/master"
    with pytest.raises(NotVerified, match="identity of the signer"):
        judge(**claims("NewName/vmafx", job_workflow_ref=called))


def test_an_identity_of_another_ref_than_the_source_is_refused(judge):
    called = f"VMAFx/vmafx/{WORKFLOW}@refs/tags/v1.0"
    with pytest.raises(NotVerified, match=r"source ref: expected refs/tags/v1\.0, actual refs/h"):
        judge(**claims(job_workflow_ref=called))


@pytest.mark.parametrize(
    "expected", [replace(EXPECTED, owner_id=None), replace(EXPECTED, repo_id=None)]
)
def test_with_one_id_alone_the_name_counts(judge, expected: ExpectedSigner):
    judge(expected, **claims())
    with pytest.raises(NotVerified, match="identity of the signer"):
        judge(expected, **claims("NewName/vmafx"))


def test_an_exact_identity_is_exact_whatever_the_ids(judge):
    exact = ExpectedSigner.exact(EXPECTED.identity, EXPECTED.issuer)
    with_ids = replace(exact, owner_id=OWNER, repo_id=REPO)
    judge(with_ids, **claims())
    with pytest.raises(NotVerified, match="identity of the signer"):
        judge(with_ids, **claims("NewName/vmafx"))

"""The stand-ins of the actions fail where the actions would."""

from pathlib import Path

import pytest

from tests.workflows.actions import CHECKOUT, DOWNLOAD, SETUP_PYTHON, UPLOAD, Job, Sources, use
from tests.workflows.expressions import WorkflowError


@pytest.fixture
def job(tmp_path: Path) -> Job:
    for name in ("work", "temp", "artifacts", "tree"):
        (tmp_path / name).mkdir()
    (tmp_path / "work" / "file").write_text("content")
    sources = Sources("own/tool", "c" * 40, tmp_path / "tree")
    places = (tmp_path / "work", tmp_path / "temp")
    return Job(*places, [], sources, tmp_path / "artifacts", "token", can_read=False)


@pytest.mark.parametrize(
    ("action", "given", "reason"),
    [
        ("actions/checkout@v7", {}, "not an action that is pinned"),
        (CHECKOUT, {"submodules": "true"}, "no input submodules"),
        (CHECKOUT, {"repository": "own/tool", "ref": ""}, "has no commit ''"),
        (CHECKOUT, {"ref": "main"}, "has no commit 'main'"),
        (CHECKOUT, {"repository": "own/tool", "ref": "main"}, "has no commit"),
        (CHECKOUT, {"repository": "other/tool", "ref": "main"}, "not found"),
        (CHECKOUT, {"repository": "own/tool", "ref": "c" * 40, "path": "../x"}, "leads out"),
        (SETUP_PYTHON, {"python-version": "3"}, "no Python"),
        (UPLOAD, {"name": "a", "path": "none", "if-no-files-found": "error"}, "no files"),
        (UPLOAD, {"name": "a", "path": "*.none", "if-no-files-found": "error"}, "no files"),
        (UPLOAD, {"name": "a", "path": ".", "retention-days": "91"}, "kept for 91 days"),
        (DOWNLOAD, {"name": "a"}, "not found for name"),
        (DOWNLOAD, {}, "a name or a pattern"),
        (DOWNLOAD, {"pattern": "a"}, "merge-multiple"),
    ],
)
def test_a_wrong_use_fails(job: Job, action: str, given: dict[str, str], reason: str):
    with pytest.raises(WorkflowError, match=reason):
        use(action, given, job)


def test_an_artifact_is_not_replaced_unless_told_to_and_hides_nothing(job: Job):
    (job.workspace / ".hidden").write_text("secret")
    given = {"name": "a", "path": "."}
    use(UPLOAD, given, job)
    assert [path.name for path in (job.artifacts / "a").iterdir()] == ["file"]
    with pytest.raises(WorkflowError, match="already exists"):
        use(UPLOAD, given, job)
    use(UPLOAD, given | {"overwrite": "true"}, job)
    use(DOWNLOAD, {"name": "a", "path": "there"}, job)
    assert (job.workspace / "there" / "file").read_text() == "content"
    use(DOWNLOAD, {"pattern": "none*", "merge-multiple": "true", "path": "empty"}, job)
    assert not (job.workspace / "empty").exists()


def test_a_checkout_keeps_the_token_unless_told_not_to(job: Job):
    own = {"repository": "own/tool", "ref": "c" * 40}
    use(CHECKOUT, own | {"persist-credentials": "false", "path": "without"}, job)
    assert not list(job.temporary.iterdir())
    use(CHECKOUT, own | {"path": "with"}, job)
    [kept] = job.temporary.iterdir()
    assert "token" in kept.read_text()

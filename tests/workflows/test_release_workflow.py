"""The release workflow, run: every script of it, job by job, on machines of its own."""

from tests.workflows.conftest import TAG


def test_a_release_comes_out_published_and_verified(exported, project):
    run = exported.go()
    assert {name: job.result for name, job in run.jobs.items()} == dict.fromkeys(
        ("export", "sign", "publish"), "success"
    ), "".join(job.log for job in run.jobs.values())
    assert project.published == [TAG]

"""The reusable workflow for consumers, run against a release that the release workflow made."""

import pytest

from tests.workflows.conftest import TAG, open_workflow
from tests.workflows.runner import Run

RELEASE = f"rehearsal/u2netp-mirror@{TAG}"


def verify(project, **inputs: str):
    given = {"release": RELEASE, "repo": "rehearsal/u2netp-mirror", "ref": "refs/heads/main"}
    workflow = open_workflow("verify.yml")
    return Run(workflow, given | inputs, project.services, project.fresh_place()).go()


def test_a_release_is_verified_and_the_model_handed_on(released_once):
    run = verify(released_once)
    job = run.jobs["verify"]
    assert job.result == "success", job.log
    assert job.outputs["digest"].startswith("sha256:")
    assert job.outputs["digest"] in job.summary
    assert (run.artifacts / "verified-model" / "u2netp_mirror.onnx").is_file()


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({"repo": "", "ref": ""}, 8),  # the recipe's publisher did not sign this
        ({"ref": "refs/heads/other"}, 8),
        ({"workflow": "other.yml"}, 8),
        ({"release": "rehearsal/u2netp-mirror@v0"}, 9),
        ({"release": '"; touch owned #'}, 2),
        ({"release": "--help"}, 2),
    ],
)
def test_what_is_not_verified_is_not_handed_on(released_once, inputs: dict[str, str], code: int):
    run = verify(released_once, **inputs)
    job = run.jobs["verify"]
    assert job.failed_step == "Fetch, verify, install", job.log
    assert f"exit code {code}" in job.log
    assert not list(run.artifacts.iterdir())

"""The action for consumers, called from a job of theirs, against a release made on loopback."""

import importlib.util
from types import ModuleType
from typing import Any

import pytest

from tests.workflows.actions import CHECKOUT
from tests.workflows.conftest import ROOT, TAG
from tests.workflows.runner import JobRun, Run

RELEASE = f"rehearsal/u2netp-mirror@{TAG}"
SIGNER = {"repository": "rehearsal/u2netp-mirror", "ref": "refs/heads/main"}
USE = (
    'sha256sum "$MODEL"; echo "path=$MODEL"; echo "code=$CODE"; echo "digest=$DIGEST";'
    " command -v python || true"
)
SAY = 'echo "code=$CODE path=($MODEL) digest=($DIGEST)"'


def outputs_of(step: str) -> dict[str, str]:
    """The environment of a script that is told what the action gave."""
    names = {"MODEL": "path", "DIGEST": "digest", "CODE": "exit-code"}
    return {key: f"${{{{ steps.{step}.outputs.{name} }}}}" for key, name in names.items()}


def call(project, *uses: dict[str, str], damage: str = "") -> JobRun:
    """Run a consumer's job that calls the action once for each of `uses`."""
    sources = project.services.sources
    action = f"{sources.own_repository}/.github/actions/verify@{sources.own_commit}"
    own = {"repository": sources.own_repository, "ref": sources.own_commit}
    # The stand-ins' addresses are in the tree; a consumer would check out a project of theirs.
    steps: list[dict[str, Any]] = [
        {"name": "Check out", "uses": CHECKOUT, "with": own | {"persist-credentials": "false"}}
    ]
    for number, given in enumerate(uses, 1):
        name = f"verify{number}"
        if number > 1 and damage:
            steps.append({"name": "Damage", "run": damage})
        steps.append({"name": name, "id": name, "uses": action, "with": given})
        env = outputs_of(name)
        steps.append({"name": f"Use {number}", "env": env, "run": USE})
        steps.append({"name": f"Say {number}", "if": "always()", "env": env, "run": SAY})
    job = {"permissions": {"contents": "read"}, "steps": steps, "timeout-minutes": 5}
    workflow = {
        "on": {"workflow_call": {"inputs": {}}},
        "concurrency": {"group": "consumer"},
        "jobs": {"model": job},
    }
    return Run(workflow, {}, project.services, project.fresh_place()).go().jobs["model"]


def test_a_release_is_fetched_and_a_file_that_is_here_is_verified(released_once):
    here = {"model": "there/u2netp_mirror.onnx"}
    job = call(released_once, {"release": RELEASE, "to": "there", **SIGNER}, here | SIGNER)
    assert job.result == "success", job.log
    assert job.log.count("path=there/u2netp_mirror.onnx\ncode=0\ndigest=sha256:") == 2
    [first, second] = [line for line in job.log.splitlines() if line.startswith("digest=")]
    assert first == second
    digest = first.removeprefix("digest=sha256:")
    assert f"{digest}  there/u2netp_mirror.onnx" in job.log
    assert job.summary.count("### Verified `") == 2
    assert f"| digest | `sha256:{digest}` |" in job.summary
    assert "| signed by | `https://github.com/rehearsal/u2netp-mirror/" in job.summary


def test_the_jobs_own_python_stays_the_first_on_its_path(released_once):
    job = call(released_once, {"release": RELEASE, **SIGNER})
    assert "release-tool/bin" not in job.log
    assert "temp/python" not in job.log


def test_a_changed_byte_stops_the_job_and_gives_no_path(released_once):
    here = {"model": "model/u2netp_mirror.onnx", **SIGNER}
    job = call(
        released_once,
        {"release": RELEASE, **SIGNER},
        here,
        damage="printf x >> model/u2netp_mirror.onnx",
    )
    assert job.failed_step == "Reach a verdict", job.log
    assert "Use 2" not in job.steps
    assert job.log.endswith("code=8 path=() digest=()\n")
    assert "### Not verified: exit code 8\n\n    the file's digest" in job.summary


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({"repository": "", "ref": ""}, 8),  # the recipe's publisher did not sign this
        ({"ref": "refs/heads/other"}, 8),
        ({"workflow": "other.yml"}, 8),
        ({"release": "rehearsal/u2netp-mirror@v0"}, 9),
        ({"release": "", "model": "missing.onnx"}, 9),
        ({"release": "", "model": ""}, 2),
        ({"model": "both.onnx"}, 2),
        ({"release": '"; touch owned #'}, 2),
        ({"release": "--help"}, 2),
        ({"release": "", "model": "a\npath=b"}, 2),
        ({"to": "--help", "release": "--version"}, 2),
        ({"repository": "--help"}, 2),
    ],
)
def test_what_is_not_verified_stops_the_job_with_the_tools_exit_code(
    released_once, inputs: dict[str, str], code: int
):
    job = call(released_once, {"release": RELEASE, **SIGNER} | inputs)
    assert job.failed_step == "Reach a verdict", job.log
    assert f"code={code} path=() digest=()" in job.log
    assert "Use 1" not in job.steps
    assert f"### Not verified: exit code {code}\n\n    " in job.summary


def test_an_input_that_the_action_does_not_have_is_refused(released_once):
    assert "no input relaese" in call(released_once, {"relaese": RELEASE}).log


@pytest.fixture(scope="module")
def verdict() -> ModuleType:
    place = ROOT / ".github" / "actions" / "verify" / "verdict.py"
    spec = importlib.util.spec_from_file_location("verdict", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_others_wrote_is_code_in_the_summary_and_no_markup(verdict):
    error = {"message": "a\n# title\n```\n[link](https://example.org)", "hint": None}
    text = verdict.summary(8, {"error": error})
    assert all(
        not line or line.startswith(("### Not verified", "    ")) for line in text.splitlines()
    )
    assert verdict.as_code("a`b|c\nd") == "`a b c d`"


def test_a_tool_that_dies_without_a_word_is_never_a_verdict(verdict):
    assert verdict.run(["verify"], "/bin/true") == (1, {})

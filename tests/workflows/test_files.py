"""What must be true of the workflow files themselves."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflows.actions import ACTIONS
from tests.workflows.conftest import ROOT, WORKFLOWS, open_workflow
from tests.workflows.expressions import WorkflowError, evaluate, interpolate

FILES = ("release.yml", "verify.yml", "ci.yml")
PIN = re.compile(r"uses: ([\w./-]+@[0-9a-f]{40}) # v\d+\.\d+\.\d+$")
RIGHTS = {
    "release.yml": {
        "export": {"contents": "read"},
        "sign": {"id-token": "write"},
        "publish": {"contents": "write", "attestations": "write"},
    },
    "verify.yml": {"verify": {"contents": "read"}},
}


def test_nothing_is_left_out():
    assert {path.name for path in WORKFLOWS.glob("*.yml")} == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_every_action_is_pinned_to_a_known_commit_with_its_version(name: str):
    lines = [line for line in (WORKFLOWS / name).read_text().splitlines() if "uses:" in line]
    pinned = [PIN.search(line) for line in lines if not line.startswith("#")]
    assert pinned
    assert all(found and found[1] in ACTIONS for found in pinned)


@pytest.mark.parametrize("name", FILES)
def test_no_expression_stands_in_a_script_and_nobody_gets_rights_by_default(name: str):
    workflow = open_workflow(name)
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert "permissions" in job
        assert "timeout-minutes" in job
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")
            if "checkout@" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("name", RIGHTS)
def test_every_job_has_the_rights_that_it_needs_and_no_other(name: str):
    jobs = open_workflow(name)["jobs"]
    assert {job: dict(jobs[job]["permissions"]) for job in jobs} == RIGHTS[name]


def test_a_release_is_never_cancelled_and_there_is_one_at_a_time_for_a_tag():
    workflow = open_workflow("release.yml")
    assert workflow["concurrency"]["cancel-in-progress"] is False
    assert "inputs.tag" in workflow["concurrency"]["group"]


def test_the_release_workflow_takes_the_same_inputs_however_it_is_started():
    triggers = open_workflow("release.yml")["on"]
    assert set(triggers) == {"workflow_dispatch", "workflow_call"}
    by_hand, called = (triggers[name]["inputs"] for name in triggers)
    assert {name: each["type"] for name, each in by_hand.items()} == {
        name: each["type"] for name, each in called.items()
    }


def test_the_gate_of_ci_needs_every_other_job():
    jobs = open_workflow("ci.yml")["jobs"]
    assert set(jobs["gate"]["needs"]) == set(jobs) - {"gate"}
    assert jobs["gate"]["if"] == "always()"


def test_ci_tests_every_python_that_the_package_promises():
    declared = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text())
    assert open_workflow("ci.yml")["jobs"]["test"]["strategy"]["matrix"]["python"] == declared


@pytest.mark.parametrize(("results", "code"), [("success success", 0), ("success failure", 1),
                                               ("skipped success", 1), ("cancelled", 1)])  # fmt: skip
def test_the_gate_opens_only_if_every_job_succeeded(results: str, code: int):
    [step] = open_workflow("ci.yml")["jobs"]["gate"]["steps"]
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", step["run"]], env={"RESULTS": results}, check=False
    )
    assert done.returncode == code


def test_zizmor_finds_nothing():
    command = [tool("zizmor"), "--offline", "--quiet", "--persona", "pedantic", ".github"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workflows_are_what_githubs_schema_describes():
    files = [str(WORKFLOWS / name) for name in FILES]
    command = [tool("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def tool(name: str) -> str:
    return str(Path(sys.executable).parent / name)


CONTEXTS = {
    "inputs": {"tag": "v1", "empty": ""},
    "needs": {"a": {"result": "success", "outputs": {}}, "b": {"result": "failure"}},
    "status": "success",
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("inputs.tag", "v1"),
        ("inputs.empty || inputs.tag", "v1"),
        ("inputs.tag && 'it''s'", "it's"),
        ("inputs.tag == 'v1'", True),
        ("!(inputs.tag != 'v1')", True),
        ("join(needs.*.result, ' ')", "success failure"),
        ("success() && 3", 3),
        ("failure() || null", None),
        ("always()", True),
    ],
)
def test_expressions_are_evaluated_as_github_does(text: str, value: object):
    assert evaluate(text, CONTEXTS) == value


@pytest.mark.parametrize(
    "text",
    ["secrets.TOKEN", "inputs.tga", "hashFiles('x')", "inputs.tag =", "join(", "1 == '1'", "",
     "inputs.tag inputs.tag", "(1", "| 1", "github['token']", ") 1"],
)  # fmt: skip
def test_an_expression_that_is_not_understood_fails(text: str):
    with pytest.raises((WorkflowError, IndexError)):
        evaluate(text, CONTEXTS)


def test_text_around_expressions_stays_and_objects_are_no_text():
    assert interpolate("a-${{ inputs.tag }}-${{ true }}${{ null }}", CONTEXTS) == "a-v1-true"
    with pytest.raises(WorkflowError):
        interpolate("${{ inputs }}", CONTEXTS)

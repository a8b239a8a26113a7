"""What must be true of the workflow files themselves."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from ruamel.yaml import YAML

from tests.workflows.actions import ACTIONS
from tests.workflows.conftest import ROOT, WORKFLOWS, open_action, open_workflow
from tests.workflows.expressions import WorkflowError, evaluate, interpolate
from tests.workflows.wheelhouse import canonical, closure

FILES = ("release.yml", "verify.yml", "ci.yml")
ACTION_FILES = sorted(WORKFLOWS.parent.glob("actions/*/action.yml"))
PIN = re.compile(r"uses: ([\w./-]+@[0-9a-f]{40}) # v\d+\.\d+\.\d+$")
SELF = re.compile(r"uses: \$/(\.github/actions/[a-z]+)$")
RIGHTS = {
    "release.yml": {
        "here": {},
        "export": {"contents": "read"},
        "sign": {"contents": "read", "id-token": "write"},
        "publish": {"contents": "write", "attestations": "write"},
    },
    "verify.yml": {"verify": {"contents": "read"}},
}


def test_dependabot_renews_what_the_actions_pin_too():
    [own] = [
        update
        for update in YAML(typ="safe").load((ROOT / ".github/dependabot.yml").read_text())[
            "updates"
        ]
        if update["package-ecosystem"] == "github-actions"
    ]
    assert own["directories"] == ["/", "/.github/actions/*"]


def test_nothing_is_left_out():
    assert {path.name for path in WORKFLOWS.glob("*.yml")} == set(FILES)


@pytest.mark.parametrize("path", [*(WORKFLOWS / name for name in FILES), *ACTION_FILES], ids=str)
def test_every_action_is_pinned_to_a_known_commit_with_its_version(path: Path):
    lines = [line for line in path.read_text().splitlines() if "uses:" in line]
    used = [line for line in lines if not line.startswith("#")]
    assert used
    for line in used:
        own = SELF.search(line)
        if own is not None:
            assert (ROOT / own[1] / "action.yml").is_file()
            continue
        pinned = PIN.search(line)
        assert pinned, line
        assert pinned[1] in ACTIONS


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


@pytest.mark.parametrize(
    ("results", "code"),
    [("success success", 0), ("success failure", 1), ("skipped success", 1), ("cancelled", 1)],
)
def test_the_gate_opens_only_if_every_job_succeeded(results: str, code: int):
    [step] = open_workflow("ci.yml")["jobs"]["gate"]["steps"]
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", step["run"]], env={"RESULTS": results}, check=False
    )
    assert done.returncode == code


def test_the_consumer_job_of_ci_verifies_a_rehearsed_release(rehearsed, tmp_path: Path):
    program = tmp_path / "tool" / "bin" / "release-tool"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m release_tool "$@"\n')
    program.chmod(0o755)
    shutil.copytree(rehearsed.directory, tmp_path / "dist")
    step = open_workflow("ci.yml")["jobs"]["consumer"]["steps"][-1]
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", step["run"]],
        cwd=tmp_path,
        env={**os.environ, "BIN": str(program.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the file's digest" in done.stderr


LOCKING = "Install the tool of this commit, and nothing that is not locked"
LOCKED = re.compile(r"([a-z0-9._-]+)==(\S+) --hash=sha256:[0-9a-f]{64}")


def test_the_jobs_with_rights_install_nothing_that_is_not_locked_to_a_digest():
    lines = (ROOT / ".github" / "requirements.txt").read_text().splitlines()
    matches = [LOCKED.fullmatch(line) for line in lines if not line.startswith("#")]
    found = {canonical(match[1]): match[2] for match in matches if match}
    assert len(found) == len(matches) > 20
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    declared = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    # These jobs run on Linux.
    wanted = [text for text in declared if "sys_platform == 'win32'" not in text]
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(found[canonical(requirement.name)])
    needed = {canonical(each.metadata["Name"]) for each in closure(wanted)}
    assert needed <= set(found)
    for path in (*(WORKFLOWS / name for name in RIGHTS), *ACTION_FILES):
        assert "pip install" not in path.read_text()
        for line in re.findall(r'"\$\{pip\[@\]\}" .*', path.read_text()):
            locked = "--require-hashes" in line or "--no-deps --no-build-isolation" in line
            # The job that exports holds nothing.
            assert locked or "TORCH_INDEX" in line or "[export]" in line, line


def test_torch_comes_to_no_job_that_has_rights():
    users = {
        path.parent.name
        for path in ACTION_FILES
        for step in open_action(path.parent.name)["runs"]["steps"]
        if step.get("with", {}).get("export") == "true"
    }
    assert users == {"export"}


def test_the_lock_is_written_from_what_pip_reports():
    spec = importlib.util.spec_from_file_location("lock", ROOT / ".github/lock_requirements.py")
    assert spec is not None
    assert spec.loader is not None
    locking = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(locking)
    package = {
        "metadata": {"name": "Some.Thing", "version": "1.2"},
        "download_info": {"archive_info": {"hashes": {"sha256": "a" * 64}}},
    }
    text = locking.make_lock({"install": [package]})
    [line] = [line for line in text.splitlines() if not line.startswith("#")]
    assert LOCKED.fullmatch(line)
    assert (ROOT / ".github/requirements.txt").read_text().startswith(locking.HEAD)


def test_a_package_with_other_bytes_than_the_locked_is_not_installed(project, exported):
    tree = project.services.sources.own_tree
    file = tree / ".github" / "requirements.txt"
    honest, entries = file.read_text(), project.entries
    file.write_text(re.sub(r"sha256:.{8}", "sha256:00000000", honest, count=1))
    try:
        run = exported.copy(project.fresh_place()).go()
    finally:
        file.write_text(honest)
    assert run.jobs["sign"].failed_step == LOCKING
    assert "DO NOT MATCH THE HASHES" in run.jobs["sign"].log
    assert project.entries == entries


def test_jactionlint_finds_nothing():
    """It is actionlint with what GitHub has added since; scripts are linted where there is one."""
    command = [tool("jactionlint"), "--no-hints"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_zizmor_finds_nothing():
    command = [tool("zizmor"), "--offline", "--quiet", "--persona", "pedantic", ".github"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("schema", "paths"),
    [
        ("vendor.github-workflows", [WORKFLOWS / name for name in FILES]),
        ("vendor.github-actions", ACTION_FILES),
    ],
)
def test_workflows_and_actions_are_what_githubs_schemas_describe(schema: str, paths: list[Path]):
    assert paths
    command = [tool("check-jsonschema"), "--builtin-schema", schema, *map(str, paths)]
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

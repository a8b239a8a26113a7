"""Runs a workflow's jobs as GitHub Actions would, against stand-ins on loopback.

Every job gets a fresh machine: an empty workspace, a PATH of plain tools, and in its environment
what its `permissions:` give and nothing else. The path of the machine is the same for every job,
as it is on GitHub.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from release_tool.rehearsal.github.standin import CallKind, Fault, FaultKind, GitHubStandIn
from release_tool.rehearsal.sigstore.claims import Claims
from release_tool.rehearsal.stack import SigstoreStack
from tests.workflows.actions import Job, Sources, parse_pairs, use
from tests.workflows.composite import find_composite, take_composite
from tests.workflows.expressions import WorkflowError, evaluate, interpolate, is_true, to_text

TOOLS = (
    "bash sh env cat cp cut date dirname echo git grep head id ls mkdir mktemp mv printf rm sed"
    " sha256sum sleep sort tail tee test touch tr true uname wc make"
).split()
# What GitHub's machines have and no test can: each fails where its options are not as documented.
OTHERS = {
    "gh": """#!/usr/bin/env bash
set -e
[ "$*" = "attestation verify $3 --repo $5 --cert-identity $7 --cert-oidc-issuer $9" ]
[ -f "$3" ] && [ -n "$GH_TOKEN" ] && echo "gh verified $3 of $5, signed by $7 of $9"
""",
    "cosign": """#!/usr/bin/env bash
set -e
[ "$*" = "verify-blob $2 --bundle $4 --certificate-identity $6 --certificate-oidc-issuer $8" ]
[ -f "$2" ] && [ -f "$4" ] && echo "cosign verified $2 by $4, signed by $6 of $8"
""",
}
STEP_KEYS = {"name", "id", "if", "env", "run", "uses", "with"}
JOB_KEYS = {
    "name", "needs", "runs-on", "timeout-minutes", "permissions", "outputs", "steps", "env", "if",
    "environment", "cache-mode",
}  # fmt: skip
STEP_TIMEOUT_SECONDS = 120
INSTALLATION = re.compile(r'\S+ -m venv "\$RUNNER_TEMP/([\w-]+)"\n')


@dataclass(frozen=True)
class Protection:
    """The rules of an environment: patterns of the refs that may use it, and whether one approves.

    https://docs.github.com/en/actions/reference/workflows-and-actions/deployments-and-environments
    """

    refs: tuple[str, ...] = ("*",)
    reviewed: bool = False


@dataclass(frozen=True)
class Services:
    """The outside world of a run."""

    github: GitHubStandIn
    sigstore: SigstoreStack
    sources: Sources
    claims: Claims
    wheels: Path
    environments: Mapping[str, Protection] = field(default_factory=dict)


@dataclass
class JobRun:
    """How a job came out; `failed_step` names the step that failed, `log` holds what it said."""

    result: str = "skipped"
    outputs: dict[str, str] = field(default_factory=dict)
    failed_step: str = ""
    log: str = ""
    summary: str = ""
    steps: list[str] = field(default_factory=list)


@dataclass
class Run:
    """One run of a workflow; a second attempt goes on where the first failed."""

    workflow: Mapping[str, Any]
    inputs: Mapping[str, str]
    services: Services
    place: Path
    attempt: int = 1
    jobs: dict[str, JobRun] = field(default_factory=dict)
    approved: bool = False
    missing: tuple[str, ...] = ()
    server: str = "https://github.com"
    called: bool = False

    @property
    def artifacts(self) -> Path:
        """Where artifacts wait between jobs."""
        return self.place / "artifacts"

    def go(self, *, until: str | None = None, again: bool = False) -> "Run":
        """Run the jobs in order, or up to one; `again` is "Re-run failed jobs"."""
        self.artifacts.mkdir(parents=True, exist_ok=True)
        self.attempt += again
        contexts = self.contexts("github", "inputs")
        for text in (self.workflow["concurrency"]["group"], self.workflow.get("run-name", "")):
            interpolate(text, contexts)
        for name, job in self.workflow["jobs"].items():
            if name not in self.jobs or self.jobs[name].result != "success":
                self.jobs[name] = self.run_job(name, job)
            if name == until:
                break
        return self

    def copy(self, place: Path, **changes: Any) -> "Run":
        """Branch off a run as it stands, with its artifacts, into another place."""
        shutil.copytree(self.artifacts, place / "artifacts")
        return replace(self, place=place, jobs=deepcopy(self.jobs), **changes)

    def contexts(self, *names: str, **more: Any) -> dict[str, Any]:
        """Collect the contexts that are there at one place of a workflow."""
        claims = self.services.claims
        known: dict[str, Any] = {
            "inputs": self.full_inputs(),
            "github": {
                "repository": str(claims.repo),
                "ref": claims.ref,
                "sha": claims.sha.hex,
                "run_id": str(claims.run_id),
                "run_attempt": str(self.attempt),
            },
            "job": {
                "workflow_repository": self.services.sources.own_repository,
                "workflow_sha": self.services.sources.own_commit,
                "workflow_ref": claims.to_token()["job_workflow_ref"],
            },
        }
        return {name: known[name] for name in names} | more

    def full_inputs(self) -> dict[str, str]:
        """Fill the inputs up with their defaults, and refuse unknown and missing ones."""
        triggers = self.workflow["on"]
        declared = (triggers.get("workflow_dispatch") or triggers["workflow_call"])["inputs"]
        if set(self.inputs) - set(declared):
            raise WorkflowError(f"no such input: {set(self.inputs) - set(declared)}")
        values = {}
        for name, declaration in declared.items():
            if name not in self.inputs and "default" not in declaration:
                raise WorkflowError(f"the input {name} is required")
            values[name] = self.inputs.get(name, declaration.get("default"))
        return values

    def run_job(self, name: str, job: Mapping[str, Any]) -> JobRun:
        """Run one job on a fresh machine, unless a job that it needs did not succeed."""
        if set(job) - JOB_KEYS:
            raise WorkflowError(f"the job {name} has unknown keys")
        needs = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
        needed = {need: self.jobs.get(need, JobRun()) for need in needs}
        if any(each.result != "success" for each in needed.values()):
            return JobRun()
        context = {
            need: {"outputs": each.outputs, "result": each.result} for need, each in needed.items()
        }
        if "if" in job:
            contexts = self.contexts("github", "inputs", needs=context)
            if not is_true(evaluate(job["if"], contexts)):
                return JobRun()
        held = self.hold(job)
        if held is not None:
            return held
        return Machine(self, job, context).run()

    def hold(self, job: Mapping[str, Any]) -> JobRun | None:
        """Apply the rules of the job's environment; one that is not there yet has none."""
        name = interpolate(job.get("environment", ""), self.contexts("github", "inputs"))
        rules = self.services.environments.get(name, Protection())
        short = self.services.claims.ref.split("/", 2)[2]
        if not any(fnmatch(short, pattern) for pattern in rules.refs):
            said = f'"{short}" is not allowed to deploy to {name} due to environment protection'
            return JobRun("failure", log=f"{said} rules.\n")
        if rules.reviewed and not self.approved:
            return JobRun("waiting", log=f"{name} waits for a review\n")
        return None


class Machine:
    """One job's machine: its directories, its environment and its rights."""

    def __init__(self, run: Run, job: Mapping[str, Any], needs: Mapping[str, Any]) -> None:
        self.run_of, self.definition, self.needs = run, job, needs
        self.services = run.services
        # Job-level permissions replace the workflow's; what is not named is `none`.
        given = job.get("permissions", run.workflow.get("permissions"))
        if given is None:
            raise WorkflowError("without permissions a job would get the repository's defaults")
        self.rights: Mapping[str, str] = given
        root = run.place.parent / "machine"
        shutil.rmtree(root, ignore_errors=True)
        self.root, self.workspace = root, root / "work"
        self.temporary, self.home, self.tools = root / "temp", root / "home", root / "tools"
        for place in (self.workspace, self.temporary, self.home, self.tools):
            place.mkdir(parents=True)
        for tool in TOOLS:
            found = shutil.which(tool)
            if found:
                (self.tools / tool).symlink_to(found)
        for name, script in OTHERS.items():
            if name in run.missing:
                continue
            (self.tools / name).write_text(script)
            (self.tools / name).chmod(0o755)
        self.job = Job(
            self.workspace,
            self.temporary,
            [str(self.tools)],
            self.services.sources,
            run.artifacts,
            self.services.github.token,
            can_read=self.may("contents", "read"),
        )
        self.steps: dict[str, Any] = {}
        self.action: tuple[Mapping[str, str], Path] | None = None
        self.outcome = JobRun()
        self.variables: dict[str, str] = {}

    def may(self, right: str, level: str) -> bool:
        """Tell whether the job's permissions give a right at a level."""
        return (
            self.rights.get(right, "none")
            in {"read": ("read", "write"), "write": ("write",)}[level]
        )

    def run(self) -> JobRun:
        """Run the steps until one fails; then write the job's outputs."""
        self.set_rights()
        contexts = self.run_of.contexts("github", "inputs")
        levels = [self.run_of.workflow.get("env", {}), self.definition.get("env", {})]
        contexts["needs"] = self.needs
        for level in levels:
            self.variables |= {key: interpolate(text, contexts) for key, text in level.items()}
        failed = False
        for number, step in enumerate(self.definition["steps"]):
            failed = not self.attempt(step, number, failed=failed) or failed
        self.outcome.result = "failure" if failed else "success"
        if not failed:
            outputs = self.definition.get("outputs", {})
            self.outcome.outputs = {
                key: interpolate(text, self.contexts()) for key, text in outputs.items()
            }
        return self.outcome

    def set_rights(self) -> None:
        """Give the one token of the stand-in the rights that GITHUB_TOKEN has in this job."""
        github = self.services.github
        with github.state.lock:
            github.state.push = self.may("contents", "write")
        github.faults[:] = [fault for fault in github.faults if fault.call is not CallKind.ATTEST]
        if not self.may("attestations", "write"):
            github.faults.append(Fault(CallKind.ATTEST, FaultKind.FORBIDDEN, 1, 10**6))

    def contexts(self, *, failed: bool = False) -> dict[str, Any]:
        """Collect what a step's expressions may use."""
        contexts = self.run_of.contexts("github", "inputs", "job")
        contexts["github"]["token"] = self.services.github.token
        if self.action is not None:
            contexts["inputs"], place = self.action
            contexts["github"]["action_path"] = str(place)
        return contexts | {
            "needs": self.needs,
            "env": dict(self.variables),
            "steps": self.steps,
            "runner": {"temp": str(self.temporary), "os": "Linux"},
            "status": "failure" if failed else "success",
        }

    def attempt(self, step: Mapping[str, Any], number: int, *, failed: bool) -> bool:
        """Run one step; what GitHub would refuse is its failure."""
        try:
            return self.take(step, number, failed=failed)
        except WorkflowError as error:
            self.outcome.log += f"{error}\n"
            self.outcome.failed_step = self.outcome.failed_step or step["name"]
            return False

    def take(self, step: Mapping[str, Any], number: int, *, failed: bool) -> bool:
        """Run one step, if its condition holds; tell whether all is well."""
        if set(step) - STEP_KEYS:
            raise WorkflowError(f"a step has unknown keys: {set(step) - STEP_KEYS}")
        condition = to_text(step.get("if", "success()"))
        if "always()" not in condition and "failure()" not in condition:
            condition = f"success() && ({condition})"
        status = self.contexts(failed=failed)
        if "success()" in condition and failed:
            return True
        if not is_true(evaluate(condition.replace("success()", "true"), status)):
            return True
        self.outcome.steps.append(step["name"])
        if "uses" in step:
            given = {
                key: interpolate(v, self.contexts()) for key, v in step.get("with", {}).items()
            }
            return self.use(step, given, number)
        return self.run_script(step, number)

    def use(self, step: Mapping[str, Any], given: Mapping[str, str], number: int) -> bool:
        """Take the steps of a composite action, or run the stand-in of another one."""
        place = find_composite(step["uses"], self)
        if place is not None:
            return take_composite(self, place, step, given, number)
        self.job.outputs.clear()
        use(step["uses"].split(" ")[0], given, self.job)
        if "id" in step:
            self.steps[step["id"]] = {"outputs": dict(self.job.outputs)}
        return True

    def run_script(self, step: Mapping[str, Any], number: int) -> bool:
        """Run a step's script in bash, as GitHub starts it."""
        own = {key: interpolate(text, self.contexts()) for key, text in step.get("env", {}).items()}
        script = interpolate(step["run"], self.contexts())
        if script != step["run"]:
            raise WorkflowError("an expression in a script can inject code")
        files = {kind: self.temporary / f"{kind}_{number}" for kind in ("OUTPUT", "ENV", "PATH")}
        files["STEP_SUMMARY"] = self.temporary / f"SUMMARY_{number}"
        for file in files.values():
            file.touch()
        environment = self.environment(own, files)
        kept = self.installation(script, environment)
        if kept is not None and kept.exists():
            subprocess.run(["cp", "-al", "-t", str(self.temporary), str(kept)], check=True)
            return True
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self.workspace,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=STEP_TIMEOUT_SECONDS,
            check=False,
        )
        self.outcome.log += done.stdout.decode(errors="replace")
        self.collect(step, files)
        if done.returncode:
            self.outcome.failed_step = self.outcome.failed_step or step["name"]
            self.outcome.log += f"exit code {done.returncode}\n"
        elif kept is not None:
            kept.parent.mkdir()
            subprocess.run(["cp", "-al", str(self.temporary / kept.name), str(kept)], check=True)
        return done.returncode == 0

    def installation(self, script: str, environment: Mapping[str, str]) -> Path | None:
        """Return where what this very script installed on an earlier machine is kept."""
        begins = INSTALLATION.match(script)
        if begins is None:
            return None
        relevant = sorted(
            item for item in environment.items() if item[0].startswith(("PIP", "TOR"))
        )
        own = self.services.sources.own_tree
        parts = [own / ".github" / "requirements.txt", own / "pyproject.toml"]
        parts += sorted((own / "release_tool").rglob("*.py"))
        contents = [hashlib.sha256(part.read_bytes()).hexdigest() for part in parts]
        key = hashlib.sha256(json.dumps([script, relevant, contents]).encode()).hexdigest()[:16]
        return self.root.parent / f"installed-{key}" / begins[1]

    def environment(self, own: Mapping[str, str], files: Mapping[str, Path]) -> dict[str, str]:
        """Return the environment of a script: GitHub's variables, the workflow's, no other."""
        services = self.services
        ambient = services.claims.to_environment() | {
            "GITHUB_RUN_ATTEMPT": str(self.run_of.attempt),
            "GITHUB_SERVER_URL": self.run_of.server,
        }
        # The stand-ins' addresses, named as a user would name them.
        ambient["RELEASE_TOOL_CONFIG"] = str(services.sources.own_tree / "release-tool.toml")
        if self.may("id-token", "write"):
            ambient = services.sigstore.actions_environment() | ambient
        return {
            **ambient,
            "PATH": os.pathsep.join(self.job.path),
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "GITHUB_API_URL": services.github.api,
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_TEMP": str(self.temporary),
            "RUNNER_OS": "Linux",
            # The package index of a machine whose network is cut off.
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(services.wheels),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_COMPILE": "1",  # whatever is imported is compiled then
            **{f"GITHUB_{kind}": str(path) for kind, path in files.items()},
            **({} if self.action is None else {"GITHUB_ACTION_PATH": str(self.action[1])}),
            **self.variables,
            **own,
        }

    def collect(self, step: Mapping[str, Any], files: Mapping[str, Path]) -> None:
        """Take over what a script wrote into the files of GitHub's workflow commands."""
        if "id" in step:
            self.steps[step["id"]] = {"outputs": parse_pairs(files["OUTPUT"])}
        self.variables |= parse_pairs(files["ENV"])
        self.job.path[:0] = files["PATH"].read_text().split()
        self.outcome.summary += files["STEP_SUMMARY"].read_text()

"""Finds a composite action of this project and takes its steps on the machine of a job.

The steps see the action's inputs and one another, and nothing of the steps around them.
"""

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from tests.workflows.expressions import WorkflowError, interpolate

if TYPE_CHECKING:
    from tests.workflows.runner import Machine

SELF = "$/"
OWN = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)/(?P<path>\.github/actions/[\w-]+)@(?P<ref>\w+)")
KEYS = {"name", "description", "inputs", "outputs", "runs"}


def find_composite(uses: str, machine: "Machine") -> Path | None:
    """Return the directory of a composite action, or None where `uses` names another kind.

    One of the own repository is brought onto the machine with that whole repository, as GitHub
    does; a local one is what the job checked out. `$/` is the repository of the very file that
    says it, at its commit: the workflow's, or the action's.
    https://github.blog/changelog/2026-07-30-reference-same-repository-actions-with-self-repository-syntax/
    """
    sources = machine.services.sources
    if uses.startswith("./"):
        return machine.workspace / uses
    if uses.startswith(SELF):
        if machine.action is None and sources.caller is not None and not machine.run_of.called:
            raise WorkflowError(f"{uses} is none of the repository that releases")
        return bring_tree(machine) / uses.removeprefix(SELF)
    found = OWN.fullmatch(uses)
    if found is None or found["repository"] != sources.own_repository:
        return None
    if found["ref"] != sources.own_commit:
        raise WorkflowError(f"{found['repository']} has no commit {found['ref']}")
    return bring_tree(machine) / found["path"]


def bring_tree(machine: "Machine") -> Path:
    """Bring the own repository's tree, once, to where GitHub puts those of actions."""
    sources = machine.services.sources
    tree = machine.root / "actions" / sources.own_repository / sources.own_commit
    if not tree.exists():
        shutil.copytree(sources.own_tree, tree)
    return tree


def take_composite(
    machine: "Machine", place: Path, step: Mapping[str, Any], given: Mapping[str, str], number: int
) -> bool:
    """Take the steps of an action in order; tell whether all is well."""
    if not (place / "action.yml").is_file():
        raise WorkflowError(f"there is no action.yml for {step['uses']}")
    action = YAML(typ="safe", pure=True).load((place / "action.yml").read_text())
    if set(action) - KEYS or action["runs"]["using"] != "composite":
        raise WorkflowError(f"{step['uses']} is no composite action")
    failed = False
    inputs = fill(action.get("inputs", {}), given)
    own = {key: interpolate(text, machine.contexts()) for key, text in step.get("env", {}).items()}
    with inside(machine, inputs, place, own):
        for inner, each in enumerate(action["runs"]["steps"], 1):
            plain = {key: value for key, value in each.items() if key != "shell"}
            if ("run" in each) is not (each.get("shell") == "bash"):
                raise WorkflowError("each script of an action names its shell, here bash")
            failed = (
                not machine.attempt(plain, 1000 * (number + 1) + inner, failed=failed) or failed
            )
        outputs = find_outputs(action.get("outputs", {}), machine, failed=failed)
    if "id" in step:
        machine.steps[step["id"]] = {"outputs": outputs}
    return not failed


def fill(declared: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """Fill the inputs up with their defaults; refuse unknown and missing ones."""
    if set(given) - set(declared):
        raise WorkflowError(f"the action has no input {min(set(given) - set(declared))}")
    missing = [name for name, each in declared.items() if each["required"] and not given.get(name)]
    if missing:
        raise WorkflowError(f"the action wants the input {missing[0]}")
    return {name: given.get(name, each.get("default", "")) for name, each in declared.items()}


@contextmanager
def inside(
    machine: "Machine", inputs: Mapping[str, str], place: Path, variables: Mapping[str, str]
) -> Iterator[None]:
    """Let the machine take steps of an action, then of the job again."""
    outer = machine.steps, machine.action, machine.variables
    machine.steps, machine.action = {}, (inputs, place)
    machine.variables = {**machine.variables, **variables}
    try:
        yield
    finally:
        machine.steps, machine.action, machine.variables = outer


def find_outputs(
    declared: Mapping[str, Any], machine: "Machine", *, failed: bool
) -> dict[str, str]:
    """Evaluate the outputs; one of a step that was not reached is empty in a failed action."""
    outputs = {}
    for name, each in declared.items():
        try:
            outputs[name] = interpolate(each["value"], machine.contexts())
        except WorkflowError:
            if not failed:
                raise
            outputs[name] = ""
    return outputs

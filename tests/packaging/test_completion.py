"""Shell completion, and that every command's own example is a command that works."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from release_tool.cli.main import COMMANDS, cli

COMPLETE = "_RELEASE_TOOL_COMPLETE"


def complete(shell: str, *words: str, **variables: str) -> str:
    """Ask the program for completions, as the shell's function does."""
    line = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "release_tool"],
        env={**os.environ, COMPLETE: shell, **line, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script_for_completion(shell: str):
    script = complete(f"{shell}_source")
    assert COMPLETE in script
    assert "release-tool" in script or "release_tool" in script


def test_commands_and_options_are_completed():
    commands = {line.partition(",")[2] for line in complete(
        "bash_complete", "release-tool", "").splitlines()}  # fmt: skip
    assert set(COMMANDS) <= commands
    options = complete("bash_complete", "release-tool", "verify", "--off")
    assert "plain,--offline" in options


def examples() -> list[tuple[str, str]]:
    """Collect the examples that the help texts give."""
    found = []
    for name in COMMANDS:
        text = CliRunner().invoke(cli, [name, "--help"], terminal_width=200).output
        block = re.search(r"Examples?:\n((?: {4}.*\n)+)", text)
        assert block, f"{name} has no example"
        found += [(name, line.strip()) for line in block[1].splitlines()]
    return found


@pytest.mark.parametrize(("name", "line"), examples())
def test_every_example_parses_as_the_command_that_it_shows(
    name: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """What they do is run by tests/docs/test_pages.py and tests/cli; here, that they are right."""
    monkeypatch.chdir(tmp_path)
    program, command, *arguments = shlex.split(line.partition(" > ")[0])
    assert (program, command) == ("release-tool", name)
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    context = found.make_context(name, arguments)
    assert context.params is not None

"""The stand-ins that stay up: every command that is printed works against them, by hand."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Rehearse and keep the stand-ins up; Fulcio is away for a second from its first call on."""
    options = ["--serve", "--fail", "fulcio:503:1", "--out", str(tmp_path / "dist"), "--json"]
    command = [sys.executable, "-m", "release_tool", "rehearse", *options]
    with (
        (tmp_path / "said").open("w") as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True) as process,
    ):
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line == "}\n":
                break
        try:
            yield process, json.loads("".join(lines))["serving"]
        finally:
            process.kill()


def test_every_command_that_is_printed_works_until_ctrl_c(
    run, served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    process, serving = served
    script = (tmp_path / "dist" / "rehearsal" / "environment.sh").read_text()
    for name, value in serving["variables"].items():
        assert f"export {name}=" in script
        monkeypatch.setenv(name, value)
    for name, command in serving["commands"].items():
        assert command[:2] == ["release-tool", name]
        result = run(*command[1:])
        assert result.code == 0, (name, result.err)
        if name == "sign":
            assert "answered 503: an outage; trying again" in result.err
    assert set(serving["commands"]) == {
        "export", "sign", "doctor", "upload", "abort", "publish", "fetch", "verify",
    }  # fmt: skip
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0
    assert os.linesep + "error" not in (tmp_path / "said").read_text()


def test_an_outage_that_is_none_lists_them_all(run):
    for wrong in ("fire", "rekor:fire", "rekor:503:soon", "mars:503"):
        result = run("rehearse", "--fail", wrong)
        assert result.code == 2
        assert "services: oidc, fulcio, rekor, tsa, github; kinds: 503, 429, 409" in result.err

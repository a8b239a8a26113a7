"""What a workflow gives to the actions of a release is checked before anything is done with it."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from release_tool.core.errors import InputError, ReleaseToolError, UsageError
from tests.workflows.conftest import ROOT

SCRIPT = ROOT / ".github" / "release_inputs.py"
RUN = {
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_WORKFLOW_REF": "own/model/.github/workflows/release.yml@refs/heads/main",
    "RUNNER_TEMP": "/runner/temp",
}
GOOD = {
    "TAG": "v1",
    "RECIPE": "u2netp",
    "CHECKPOINT_URL": "https://example.org/u2netp.pth",
    "IDENTITY": "https://github.com/a/tool/.github/workflows/release.yml@refs/tags/v1",
    "ARTIFACTS": "model",
}
OPTIONAL = ("TAG", "CHECKPOINT_URL", "IDENTITY")
NASTY = (
    "",
    " ",
    '"; curl https://example.org #',
    "'; touch owned; '",
    "$(touch owned)",
    "`touch owned`",
    "x\nmanifest=other",
    "x\r\n::add-mask::y",
    "${{ github.token }}",
    "-rf",
    "--help",
    "../../x",
    "/etc/passwd",
    "a/b",
    "file:///etc/passwd",
    "x" * 100_000,
    "\0",
    "v\u00adl",
)


@pytest.fixture(scope="module")
def inputs():
    spec = importlib.util.spec_from_file_location("release_inputs", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_good_inputs_say_how_files_are_called_and_who_signs(inputs):
    found = {
        "tag": "v1",
        "model": "u2netp_mirror_v1.onnx",
        "manifest": "u2netp_mirror_v1.manifest.json",
        "installed": "u2netp_mirror.onnx",
        "place": "/runner/temp/model-release",
        "signer": "https://github.com/a/tool/.github/workflows/release.yml@refs/tags/v1",
        "issuer": "https://token.actions.githubusercontent.com",
    }
    assert inputs.read_inputs(RUN | GOOD) == found
    by_default = {"tag": "u2netp-mirror-v1"} | {
        "signer": "https://github.com/own/model/.github/workflows/release.yml@refs/heads/main"
    }
    assert inputs.read_inputs(RUN | {"RECIPE": "u2netp"}) == found | by_default
    assert inputs.read_inputs(RUN | GOOD | dict.fromkeys(OPTIONAL, "")) == found | by_default


@pytest.mark.parametrize("server", ["", "https://github.example.org", "https://model.ghe.com"])
def test_an_enterprise_server_is_refused(inputs, server: str):
    with pytest.raises(UsageError, match=r"release from https://github\.com alone"):
        inputs.read_inputs(RUN | GOOD | {"GITHUB_SERVER_URL": server})


@pytest.mark.parametrize(
    ("name", "text"),
    [(name, text) for name in GOOD for text in NASTY if text or name not in OPTIONAL],
)
def test_anything_else_is_refused_in_one_line(inputs, name: str, text: str):
    with pytest.raises(ReleaseToolError) as refusal:
        inputs.read_inputs(RUN | GOOD | {name: text})
    assert isinstance(refusal.value, InputError | UsageError)
    assert len(str(refusal.value).splitlines()) == 1
    assert len(str(refusal.value)) < 400


@pytest.mark.parametrize(("tag", "code"), [("v1", 0), ("../x", 2)])
def test_outputs_are_written_whole_or_not_at_all(tmp_path: Path, tag: str, code: int):
    output = tmp_path / "output"
    done = subprocess.run(
        [sys.executable, "-I", str(SCRIPT)],
        env=RUN | GOOD | {"TAG": tag, "GITHUB_OUTPUT": str(output)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert output.exists() is (code == 0)
    assert "Traceback" not in done.stderr

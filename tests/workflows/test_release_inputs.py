"""The first script of the release workflow: what a person typed is checked before anything else."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from release_tool.core.errors import InputError, ReleaseToolError, UsageError
from tests.workflows.conftest import ROOT

SCRIPT = ROOT / ".github" / "release_inputs.py"
GOOD = {"TAG": "v1", "RECIPE": "u2netp", "CHECKPOINT_URL": "https://example.org/u2netp.pth"}
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


def test_good_inputs_say_where_upstream_is_and_how_files_are_called(inputs):
    assert inputs.read_inputs(GOOD) == {
        "tag": "v1",
        "upstream_repo": "xuebinqin/U-2-Net",
        "upstream_commit": "ac7e1c817ecab7c7dff5ce6b1abba61cd213ff29",
        "model": "u2netp_mirror_v1.onnx",
        "manifest": "u2netp_mirror_v1.manifest.json",
    }
    assert inputs.read_inputs({key: GOOD[key] for key in ("TAG", "RECIPE")})
    assert inputs.read_inputs(GOOD | {"CHECKPOINT_URL": ""})


@pytest.mark.parametrize(
    ("name", "text"),
    [(name, text) for name in GOOD for text in NASTY if (name, text) != ("CHECKPOINT_URL", "")],
)
def test_anything_else_is_refused_in_one_line(inputs, name: str, text: str):
    with pytest.raises(ReleaseToolError) as refusal:
        inputs.read_inputs(GOOD | {name: text})
    assert isinstance(refusal.value, InputError | UsageError)
    assert len(str(refusal.value).splitlines()) == 1
    assert len(str(refusal.value)) < 400


def test_an_upstream_elsewhere_cannot_be_checked_out(inputs, standin):
    with pytest.raises(InputError, match="can only check out from"):
        inputs.read_inputs(GOOD | {"RECIPE": str(standin.recipe_file)})


@pytest.mark.parametrize(("tag", "code"), [("v1", 0), ("../x", 2)])
def test_outputs_are_written_whole_or_not_at_all(tmp_path: Path, tag: str, code: int):
    """On a bare Python: nothing but the standard library and the checkout."""
    output = tmp_path / "output"
    environment = {**GOOD, "TAG": tag, "PYTHONPATH": str(ROOT), "GITHUB_OUTPUT": str(output)}
    interpreter = getattr(sys, "_base_executable", sys.executable)
    done = subprocess.run(
        [interpreter, "-P", "-S", str(SCRIPT)],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert output.exists() is (code == 0)
    assert "Traceback" not in done.stderr

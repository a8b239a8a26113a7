"""The report in a real browser: Debian's Chromium, headless, in both colour schemes."""

import json
import shutil
import subprocess

import pytest

from release_tool.evaluate.report import page
from tests.evaluate.conftest import RED_OVER_BLUE, draw_picture, encode
from tests.evaluate.networks import make_network


@pytest.fixture
def report(run, tmp_path):
    (tmp_path / "one.onnx").write_bytes(make_network(RED_OVER_BLUE))
    (tmp_path / "a.png").write_bytes(encode(draw_picture(1, 70, 90)))
    out = tmp_path / "out"
    done = run("evaluate", tmp_path / "one.onnx", "--media", tmp_path / "a.png", "--out", out)
    assert done.code == 0, done.err
    return out


@pytest.mark.parametrize("scheme", ["0", "1"])
@pytest.mark.parametrize("width", [390, 1440])
def test_it_opens_without_a_request_and_without_a_complaint(report, tmp_path, scheme, width):
    chromium = shutil.which("chromium")
    assert chromium, "apt-get install chromium"
    log = tmp_path / "net.json"
    done = subprocess.run(
        [
            chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom",
            f"--window-size={width},900", f"--blink-settings=preferredColorScheme={scheme}",
            "--enable-logging=stderr", "--v=0", f"--log-net-log={log}",
            f"file://{report / 'evaluation.html'}",
        ],
        check=True, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr
    # What the browser asks of its own accord is initiated by no page.
    page_requests = [line for line in log.read_text().splitlines() if '"initiator":"file' in line]
    assert page_requests == []
    document = json.loads((report / "evaluation.json").read_bytes())
    for pair in document["comparison"]["pairs"]:
        for number in pair["summary"].values():
            assert f">{page.shown(number)}</span>" in done.stdout

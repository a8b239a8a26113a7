"""Has `release-tool` reach one verdict, and hands it on as a step's outputs and summary.

Reads what the action was given from the environment, and ends with the exit code of the tool.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

OPTIONS = {
    "--recipe": "RECIPE",
    "--repo": "SIGNER_REPO",
    "--workflow": "SIGNER_WORKFLOW",
    "--ref": "SIGNER_REF",
}
INPUTS = ("RELEASE", "MODEL", "TO", *OPTIONS.values())
USAGE = 2


def arguments(given: Mapping[str, str]) -> list[str]:
    """Return the arguments of the tool; raises `ValueError` for inputs that make no sense.

    A value never stands where an option could, and no output is written with more than one line.
    """
    if any(re.search(r"[\x00-\x1f\x7f]", given[name]) for name in INPUTS):
        raise ValueError("an input holds a line break or another control character")
    release, model = given["RELEASE"], given["MODEL"]
    if bool(release) == bool(model):
        raise ValueError("give either `release` or `model`")
    options = ["--json", f"--github-api={given['GITHUB_API_URL']}"]
    options += [f"{option}={given[name]}" for option, name in OPTIONS.items() if given[name]]
    if release:
        return ["fetch", *options, f"--to={given['TO']}", "--", release]
    return ["verify", *options, "--", model]


def run(command: list[str], python: str = sys.executable) -> tuple[int, dict[str, Any]]:
    """Run the tool; return its exit code, and the document that it printed."""
    tool = [python, "-I", "-m", "release_tool", *command]
    done = subprocess.run(tool, stdout=subprocess.PIPE, text=True, check=False)
    try:
        return done.returncode, json.loads(done.stdout)
    except ValueError:
        return done.returncode or 1, {}


def model_path(verdict: Mapping[str, Any], given: Mapping[str, str]) -> Path:
    """Return where the verified model lies."""
    if "installed" in verdict:
        return Path(verdict["installed"])
    named = Path(given["MODEL"])
    return named / verdict["artifacts"][0]["name"] if named.is_dir() else named


def outputs(code: int, verdict: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """Return the outputs of the step; path and digest are empty unless it is verified."""
    verified = code == 0
    return {
        "path": str(model_path(verdict, given)) if verified else "",
        "digest": verdict["artifacts"][0]["digest"] if verified else "",
        "exit-code": str(code),
    }


def summary(code: int, verdict: Mapping[str, Any]) -> str:
    """Write the verdict in Markdown; what others wrote stands in it as code."""
    if code:
        error = verdict.get("error", {})
        said = [error.get("message") or "the tool failed", error.get("hint") or ""]
        lines = "".join(f"    {line}\n" for text in said for line in text.splitlines())
        return f"### Not verified: exit code {code}\n\n{lines}\n"
    covered = ", ".join(artifact["role"] for artifact in verdict["artifacts"])
    rows = {
        "digest": verdict["artifacts"][0]["digest"],
        "signed by": verdict["signer"]["identity"],
        "signed at": verdict["signed_at"],
        "covered": covered,
        "not covered": ", ".join(verdict["not_covered"]),
        "unpinned": ", ".join(verdict["unpinned"]),
    }
    table = "".join(f"| {name} | {as_code(text)} |\n" for name, text in rows.items() if text)
    name = as_code(verdict["artifacts"][0]["name"])
    return f"### Verified {name}\n\n| | |\n|---|---|\n{table}\n"


def as_code(text: str) -> str:
    """Write a text as code in a cell of a table, whatever it holds."""
    return "`" + re.sub(r"[`|\s]+", " ", text) + "`"


def main(environment: Mapping[str, str]) -> int:
    """Reach the verdict, and append to the files that GitHub names."""
    try:
        code, verdict = run(arguments(environment))
    except ValueError as error:
        sys.stderr.write(f"error: {error}\n")
        code, verdict = USAGE, {"error": {"message": str(error)}}
    with Path(environment["GITHUB_OUTPUT"]).open("a") as stream:
        found = outputs(code, verdict, environment)
        stream.writelines(f"{name}={value}\n" for name, value in found.items())
    with Path(environment["GITHUB_STEP_SUMMARY"]).open("a") as stream:
        stream.write(summary(code, verdict))
    return code


if __name__ == "__main__":
    sys.exit(main(os.environ))

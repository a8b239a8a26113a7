"""Locks what the jobs with rights install: every package with its version and its wheel's digest.

Run it with the Python of the release workflow, on Linux: `python .github/lock_requirements.py`.
It asks pip what the light base and the build need, and writes `requirements.txt` beside itself.
"""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
HEAD = (
    "# All that the jobs which sign, publish and verify install: the light base and the build,\n"
    "# for Python 3.13 on Linux x86-64. Made by lock_requirements.py; Dependabot renews it.\n"
)


def wanted(project: dict[str, Any]) -> list[str]:
    """Return the requirements of the light base, and of the build."""
    return [*project["project"]["dependencies"], *project["build-system"]["requires"]]


def make_lock(report: dict[str, Any]) -> str:
    """Write pip's report as a requirements file with digests."""
    lines = sorted(
        f"{package['metadata']['name'].lower()}=={package['metadata']['version']}"
        f" --hash=sha256:{package['download_info']['archive_info']['hashes']['sha256']}\n"
        for package in report["install"]
    )
    return HEAD + "".join(lines)


def main() -> None:
    """Ask pip, and write the lock."""
    requirements = wanted(tomllib.loads((HERE.parent / "pyproject.toml").read_text()))
    command = "install --quiet --dry-run --ignore-installed --only-binary=:all: --report -"
    asked = subprocess.run(
        [sys.executable, "-m", "pip", *command.split(), *requirements],
        stdout=subprocess.PIPE,
        check=True,
    )
    (HERE / "requirements.txt").write_text(make_lock(json.loads(asked.stdout)))


if __name__ == "__main__":
    main()

"""The project is installed as itself: under its own name, from its own repository."""

import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest

from release_tool import __version__

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REPOSITORY = PROJECT["urls"]["Repository"].removeprefix("https://github.com/")
PLACES = "README.md CHANGELOG.md pyproject.toml Makefile docs .github .ci release_tool".split()
# An index has, or may have tomorrow, a stranger's package under either name.
BY_NAME = re.compile(
    r"\b(?:install|inject|add|run|download|uvx)(?:\s+-\S+)*\s+[\"']?(?:model[-_])?release[-_]tool"
    r"(?![\w/-])"
    r"|release[-_]tool\["
)
SLUG = re.compile(r"(?<![\w$./{-])([\w-]+/(?:model-)?release-tool)(?![\w.-])")
ADDRESS = re.compile(r"https://github\.com/([\w.-]+/(?:model-)?release-tool)(?![\w.-])")
CALLED = re.compile(r"uses: ([\w.-]+/[\w.-]+)/\.github/(?:workflows|actions)/")


def texts() -> list[Path]:
    """Every file that a user of the project may read."""
    found = [ROOT / place for place in PLACES]
    found += [file for place in found if place.is_dir() for file in place.rglob("*")]
    return [path for path in found if path.is_file() and "__pycache__" not in path.parts]


def test_the_distribution_has_its_own_name_and_the_command_keeps_its_name():
    assert PROJECT["name"] == "model-release-tool"
    installed = distribution("model-release-tool")
    assert installed.version == __version__
    assert {script.name for script in installed.entry_points} == {"release-tool"}


def test_nothing_tells_to_install_by_name_what_is_not_published():
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in texts()
        for match in BY_NAME.finditer(path.read_text(errors="replace"))
    ]
    assert not found


@pytest.mark.parametrize(
    "line",
    [
        "pip install release-tool",
        "pip install --upgrade 'release-tool[export]'",
        "pip install model-release-tool",
        'pipx run "model_release_tool"',
        "uv add release-tool==0.1",
        'WHEEL = "release-tool[export]"',
    ],
)
def test_an_installation_by_name_would_be_noticed(line: str):
    assert BY_NAME.search(line)


@pytest.mark.parametrize(
    "line", ["pip install .", "pip install ./model_release_tool-0.1-py3-none-any.whl"]
)
def test_an_installation_of_a_file_is_no_installation_by_name(line: str):
    assert not BY_NAME.search(line)


def test_the_repository_of_the_project_is_the_one_that_the_package_declares():
    assert re.fullmatch(r"[\w-]+/[\w-]+", REPOSITORY)
    named = {
        match[1]
        for path in texts()
        for pattern in (SLUG, ADDRESS, CALLED)
        for match in pattern.finditer(path.read_text(errors="replace"))
    }
    assert named == {REPOSITORY}


@pytest.mark.parametrize(
    "line",
    [
        "uses: OWNER/release-tool/.github/workflows/verify.yml@COMMIT",
        "--repo a/release-tool",
        "<https://github.com/OWNER/release-tool/security>",
    ],
)
def test_another_repository_would_be_noticed(line: str):
    found = [each for pattern in (SLUG, ADDRESS, CALLED) for each in pattern.findall(line)]
    assert found
    assert REPOSITORY not in found

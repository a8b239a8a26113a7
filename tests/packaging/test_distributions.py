"""What the project hands out: a wheel and an sdist that anybody can build again, byte for byte."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = (
    "release_tool tests docs .github .gitignore"
    " pyproject.toml Makefile README.md CHANGELOG.md LICENSE"
).split()
EPOCH = "1700000000"
IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", ".*cache", ".hypothesis")


def build(place: Path, name: str, age: int = 0, **variables: str) -> dict[str, bytes]:
    """Build wheel and sdist from a copy of the sources in a directory of its own."""
    tree, out = place / name, place / f"{name}-out"
    for source in SOURCES:
        path = ROOT / source
        if path.is_dir():
            shutil.copytree(path, tree / source, ignore=IGNORED)
        else:
            tree.mkdir(exist_ok=True)
            shutil.copy(path, tree / source)
    for path in tree.rglob("*"):
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "build", "--no-isolation", "--outdir", str(out), str(tree)],
        env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {path.name: path.read_bytes() for path in out.iterdir()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    place = tmp_path_factory.mktemp("built")
    return place, build(place, "one")


def test_wheel_and_sdist_are_the_same_bytes_from_another_directory_at_another_time(built, tmp_path):
    _, first = built
    again = build(
        tmp_path / "elsewhere", "two", 10**6, TZ="Asia/Tokyo", LC_ALL="C", PYTHONHASHSEED="7"
    )
    assert set(first) == set(again)
    assert {name.rpartition(".")[2] for name in first} == {"whl", "gz"}
    for name, content in first.items():
        assert again[name] == content, name


def test_the_wheel_holds_the_package_and_nothing_else(built):
    place, files = built
    [name] = [name for name in files if name.endswith(".whl")]
    with zipfile.ZipFile(place / "one-out" / name) as wheel:
        names = wheel.namelist()
    assert all(member.startswith(("release_tool/", "model_release_tool-")) for member in names)
    assert "release_tool/py.typed" in names
    assert "release_tool/recipes/apache-2.0.txt" in names
    assert any(member.endswith("licenses/LICENSE") for member in names)
    assert not [member for member in names if member.endswith((".onnx", ".pth", ".pyc"))]


def test_the_sdist_holds_what_its_tests_need(built):
    place, files = built
    [name] = [name for name in files if name.endswith(".tar.gz")]
    with tarfile.open(place / "one-out" / name) as sdist:
        names = {member.name.partition("/")[2] for member in sdist}
    for needed in ("Makefile", "README.md", "docs/consumer.md", "tests/conftest.py", "LICENSE"):
        assert needed in names
    assert not [member for member in names if member.endswith((".onnx", ".pth"))]


def test_the_wheel_builds_from_the_sdist_with_the_same_bytes(built, tmp_path):
    place, files = built
    [sdist] = [name for name in files if name.endswith(".tar.gz")]
    with tarfile.open(place / "one-out" / sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    [tree] = list(tmp_path.iterdir())
    command = [sys.executable, "-P", "-m", "build", "--wheel", "--no-isolation", str(tree)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH}
    subprocess.run(command, env=environment, capture_output=True, check=True)
    [wheel] = list((tree / "dist").glob("*.whl"))
    assert files[wheel.name] == wheel.read_bytes()


def test_an_installed_wheel_runs_as_a_command_and_as_a_module(built, tmp_path):
    """As `pipx run` does it: the wheel alone in an environment, and the script of that name."""
    place, files = built
    [name] = [name for name in files if name.endswith(".whl")]
    environment = tmp_path / "environment"
    subprocess.run(
        [sys.executable, "-m", "venv", "--system-site-packages", environment], check=True
    )
    # What the wheel needs is there already: beside these tests.
    paths = [path for path in sys.path if path.endswith("site-packages")]
    [site] = (environment / "lib").glob("python3*/site-packages")
    (site / "beside.pth").write_text("\n".join(paths))
    pip = [environment / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-index"]
    wheel = place / "one-out" / name
    subprocess.run([*pip, "--no-deps", "--force-reinstall", wheel], check=True)
    program = environment / "bin" / "release-tool"
    for command in ([program], [environment / "bin" / "python", "-m", "release_tool"]):
        done = subprocess.run(
            [*command, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True,
            env={"PATH": os.environ["PATH"]},
        )  # fmt: skip
        assert done.stdout.startswith("release-tool, version ")

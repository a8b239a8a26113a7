"""The export command: what it writes, and that bad input leaves nothing behind."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from release_tool.core.digest import Sha256
from release_tool.core.names import CommitId
from release_tool.recipes import layout
from release_tool.recipes.license import LicensePin
from release_tool.recipes.toml.writing import write_recipe
from release_tool.recipes.u2netp import U2NETP


@pytest.fixture
def copy(standin, tmp_path: Path) -> Path:
    """Copy the stand-in to where it can be damaged."""
    shutil.copytree(standin.checkout, tmp_path / "upstream")
    shutil.copy(standin.checkpoint, tmp_path / "u2netp.pth")
    return tmp_path


def options(standin, place: Path) -> list[str]:
    return [
        *("--upstream-dir", str(place / "upstream")),
        *("--checkpoint", str(place / "u2netp.pth")),
        *("--recipe", str(standin.recipe_file)),
        *("--out", str(place / "dist")),
    ]


def git(directory: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    subprocess.run(["git", "-C", str(directory), *identity, *arguments], check=True)


def git_says(directory: Path, *arguments: str) -> str:
    asked = ["git", "-C", str(directory), *arguments]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()


def test_an_export_of_the_same_model_keeps_its_evaluation_in_the_release(
    run, standin, copy: Path, rehearsed
):
    dist = Path(shutil.copytree(rehearsed.directory, copy / "dist"))
    names = {row.name_in(U2NETP.names) for row in (layout.EVALUATION, layout.REPORT)}
    for name in names:
        (dist / name).write_text("an evaluation")
    result = run("export", *options(standin, copy), "--json")
    assert result.code == 0, result.err
    assert names <= {file["name"] for file in result.document["files"]}


def test_an_export_writes_model_manifest_licence_and_bom_the_same_as_the_rehearsals(
    run, standin, copy: Path, rehearsed
):
    result = run("export", *options(standin, copy), "--json")
    assert result.code == 0, result.err
    names = {path.name for path in (copy / "dist").iterdir()}
    assert names == {
        "u2netp_mirror_v1.onnx",
        "u2netp_mirror_v1.manifest.json",
        "u2netp_mirror_v1.cdx.json",
        "u2netp_mirror_v1.recipe.toml",
        "Apache-2.0-u2netp.txt",
    }
    for name in names:
        again, before = copy / "dist" / name, rehearsed.directory / name
        assert again.read_bytes() == before.read_bytes(), name
    assert result.document["gates"]["in_place"] == result.document["gates"]["tensors"]


def remove_checkout(place: Path) -> None:
    shutil.rmtree(place / "upstream")


def remove_git(place: Path) -> None:
    shutil.rmtree(place / "upstream" / ".git")


def another_commit(place: Path) -> None:
    git(place / "upstream", "commit", "--allow-empty", "-qm", "another")


def dirty_tree(place: Path) -> None:
    (place / "upstream" / "README.md").write_text("changed")


def stray_file(place: Path) -> None:
    (place / "upstream" / "torch.py").write_text("raise SystemExit('imported')")


def changed_module(place: Path) -> None:
    with (place / "upstream" / "model" / "u2net.py").open("a") as module:
        module.write("\n# changed\n")
    git(place / "upstream", "update-index", "--assume-unchanged", "model/u2net.py")


def mit_license(place: Path) -> None:
    (place / "upstream" / "LICENSE").write_text("MIT License\n\nPermission is hereby granted")
    git(place / "upstream", "update-index", "--assume-unchanged", "LICENSE")


def checkpoint_of(content: bytes) -> Callable[[Path], None]:
    def replace(place: Path) -> None:
        (place / "u2netp.pth").write_bytes(content)

    return replace


def missing_checkpoint(place: Path) -> None:
    (place / "u2netp.pth").unlink()


def truncated_checkpoint(place: Path) -> None:
    content = (place / "u2netp.pth").read_bytes()
    (place / "u2netp.pth").write_bytes(content[: len(content) // 2])


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch executed",)


def bomb_in_a_zip(place: Path) -> None:
    with zipfile.ZipFile(place / "u2netp.pth", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"a": Bomb()}, protocol=2))
        archive.writestr("archive/version", "3\n")


BAD_INPUTS = {
    "no checkout": (remove_checkout, 3, "upstream"),
    "no git": (remove_git, 3, "git"),
    "another commit": (another_commit, 3, "commit"),
    "dirty tree": (dirty_tree, 3, "README.md"),
    "stray file": (stray_file, 3, "torch.py"),
    "changed module": (changed_module, 3, "u2net.py"),
    "MIT licence": (mit_license, 3, "LICENSE"),
    "missing checkpoint": (missing_checkpoint, 3, "u2netp.pth"),
    "empty checkpoint": (checkpoint_of(b""), 3, "empty"),
    "truncated checkpoint": (truncated_checkpoint, 3, "u2netp.pth"),
    "HTML": (checkpoint_of(b"<!DOCTYPE html><html>quota exceeded</html>"), 3, "HTML"),
    "code in a pickle": (checkpoint_of(pickle.dumps(Bomb())), 3, "system"),
    "code in a zip": (bomb_in_a_zip, 3, "system"),
}


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_bad_input_is_one_line_and_leaves_nothing(
    run, standin, copy: Path, name: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(copy)
    damage, code, word = BAD_INPUTS[name]
    damage(copy)
    result = run("export", *options(standin, copy))
    assert result.code == code, result.err
    errors = [line for line in result.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert word in result.err
    assert "Traceback" not in result.err
    assert not (copy / "dist").exists()
    assert not (copy / "executed").exists()


def test_another_checkpoint_needs_to_be_asked_for(run, standin, copy: Path):
    content = (copy / "u2netp.pth").read_bytes() + b"\n"
    (copy / "u2netp.pth").write_bytes(content)
    result = run("export", *options(standin, copy))
    assert result.code == 3
    assert "--unpinned-checkpoint" in result.err or "u2netp.pth" in result.err


def test_an_output_directory_that_is_a_file_is_refused(run, standin, copy: Path):
    (copy / "dist").write_text("a file")
    result = run("export", *options(standin, copy))
    assert result.code == 2
    assert "is a file" in result.err
    assert (copy / "dist").read_text() == "a file"


def test_a_full_disk_is_one_line_and_leaves_nothing(run, standin, copy: Path):
    """A file-size limit stops the writing where a full disk would."""
    script = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"
        "from release_tool.cli.main import main\n"
        "main(sys.argv[1:])\n"
    )
    finished = subprocess.run(
        [sys.executable, "-P", "-c", script, "export", *options(standin, copy)],
        capture_output=True,
        text=True,
        check=False,
        # What is covered could not be written down either.
        env={name: value for name, value in os.environ.items() if "COVERAGE" not in name},
    )
    assert finished.returncode in (3, 4), finished.stderr
    assert "Traceback" not in finished.stderr
    assert not (copy / "dist").exists()


def start(standin, place: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "release_tool", "export", *options(standin, place)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(place / "tmp"), "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
        # A shell's background job inherits that ctrl-C is ignored; this one is in the foreground.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )


@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_exits_130_and_leaves_nothing(standin, copy: Path, blow: signal.Signals):
    (copy / "tmp").mkdir()
    with start(standin, copy) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("▸ export"):
                break
        os.killpg(process.pid, blow)
        rest = process.stderr.read()
    assert process.returncode == 130, rest
    assert "error: interrupted" in rest
    assert "Traceback" not in rest
    assert not (copy / "dist").exists()
    assert list((copy / "tmp").iterdir()) == []


def test_a_licence_that_nobody_recognises_is_taken_only_by_who_has_read_it(
    run, standin, copy: Path
):
    (copy / "upstream/LICENSE").write_text("You may look at it.\n")
    git(copy / "upstream", "commit", "--quiet", "--all", "--message=own terms")
    commit = git_says(copy / "upstream", "rev-parse", "HEAD")
    terms = LicensePin("GPL-3.0-only", "LICENSE", Sha256.of_file(copy / "upstream/LICENSE"))
    recipe = replace(
        standin.recipe,
        license=terms,
        upstream=replace(standin.recipe.upstream, commit=CommitId.parse(commit)),
    )
    (copy / "own.toml").write_text(write_recipe(recipe))
    options = [
        *("export", "--upstream-dir", str(copy / "upstream"), "--out", str(copy / "dist")),
        *("--checkpoint", str(copy / "u2netp.pth"), "--recipe", str(copy / "own.toml")),
    ]
    refused = run(*options)
    assert refused.code == 3
    assert "LICENSE: the text of GPL-3.0-only is not one that is recognised" in refused.err
    assert "give --accept-license GPL-3.0-only" in refused.err
    other = run(*options, "--accept-license", "MIT")
    assert other.code == 2
    assert "the recipe names the licence GPL-3.0-only, not 'MIT'" in other.err
    assert run(*options, "--accept-license", "GPL-3.0-only").code == 0
    manifest = json.loads((copy / "dist" / recipe.names.manifest).read_text())
    assert manifest["license"] == {"spdx": "GPL-3.0-only", "recognised": False}
    assert "recognised by no program" in (copy / "dist" / recipe.names.license).read_text()

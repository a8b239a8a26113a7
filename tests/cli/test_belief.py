"""What merely lies in a directory decides nothing: not whom a verdict believes, and not what."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from release_tool.cli.belief import resolve_belief
from release_tool.cli.given import SignerOptions
from release_tool.cli.settings import Settings
from release_tool.core.names import RepoSlug
from release_tool.recipes import layout
from release_tool.recipes.recipe import Publisher
from release_tool.recipes.toml.writing import write_recipe
from release_tool.recipes.u2netp import U2NETP
from release_tool.sigstore.trust.signer import GITHUB_ISSUER, ExpectedSigner

PUBLISHER = '[publisher]\nrepo = "rehearsal/u2netp-mirror"\nrefs = ["refs/heads/main"]\n'
STRANGER = (
    '[publisher]\nrepo = "rehearsal/u2netp-mirror"\nworkflow = "evil.yml"\n'
    'refs = ["refs/heads/evil"]\nissuer = "https://evil.invalid"\n'
)
NOT_OBEYED = "release-tool.toml in this directory was not obeyed"
NOTHING = SignerOptions(*[None] * 10)
KEYS = {
    "recipe": 'recipe = "./recipe.toml"\n',
    "recipe by name": 'recipe = "u2net"\n',
    "sigstore": 'sigstore = "./trusted_root.json"\n',
    "github_api": 'github_api = "http://127.0.0.1:9"\n',
    "publisher": PUBLISHER,
    "publisher.workflow": STRANGER,
    "publisher.owner_id": PUBLISHER + 'owner_id = "1"\n',
    "publisher.repo_id": PUBLISHER + 'repo_id = "1"\n',
    "malformed": "recipe = [\n",
    "unknown key": 'believe = "anybody"\n',
}


@pytest.fixture
def folder(rehearsed, standin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that somebody filled: a release, the recipe of it and a trusted root of theirs."""
    folder = Path(shutil.copytree(rehearsed.directory, tmp_path / "folder"))
    shutil.rmtree(folder / "rehearsal")
    shutil.copy(rehearsed.trusted_root, folder / "trusted_root.json")
    publisher = Publisher(
        RepoSlug("rehearsal", "u2netp-mirror"), "release.yml", ("refs/heads/main",), GITHUB_ISSUER
    )
    recipe = replace(standin.recipe, publisher=publisher)
    (folder / "recipe.toml").write_text(write_recipe(recipe))
    monkeypatch.chdir(folder)
    monkeypatch.delenv("RELEASE_TOOL_CONFIG", raising=False)
    return folder


def lay(folder: Path, text: str) -> Path:
    path = folder / "release-tool.toml"
    path.write_text(text)
    return path


def verify(run, rehearsed, *options: str | Path):
    root = ["--trusted-root", str(rehearsed.trusted_root)]
    return run("verify", "u2netp_mirror_v1.onnx", *root, *options)


def test_a_publisher_that_lies_in_the_folder_is_not_believed(run, rehearsed, folder: Path):
    lay(folder, PUBLISHER)
    refused = verify(run, rehearsed)
    assert refused.code == 8
    assert NOT_OBEYED in refused.err
    assert "--config release-tool.toml" in refused.err
    assert "expected https://github.com/VMAFx/vmafx/" in refused.err


def test_a_publisher_in_a_file_that_was_named_is_believed_and_said(
    run, rehearsed, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    config = lay(folder, PUBLISHER)
    named = verify(run, rehearsed, "--config", config.name)
    assert named.code == 0, named.err
    assert "release-tool.toml: repository rehearsal/u2netp-mirror, workflow rel" in named.err
    assert NOT_OBEYED not in named.err
    monkeypatch.setenv("RELEASE_TOOL_CONFIG", config.name)
    assert verify(run, rehearsed).code == 0


def test_a_recipe_that_lies_in_the_folder_is_not_believed(run, rehearsed, folder: Path):
    config = lay(folder, KEYS["recipe"])
    refused = verify(run, rehearsed)
    assert refused.code == 8
    assert NOT_OBEYED in refused.err
    named = verify(run, rehearsed, "--config", config.name)
    assert named.code == 0, named.err
    assert "the recipe u2netp-rehearsal: repository" in named.err
    assert "release-tool.toml: recipe u2netp-rehearsal" in named.err


@pytest.mark.parametrize("key", ["recipe", "sigstore"])
def test_what_a_named_configuration_names_is_never_looked_for_in_the_folder(
    run, rehearsed, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
):
    """The user's own configuration names files beside it; a folder may hold one of that name."""
    own = tmp_path / "own"
    own.mkdir()
    config = own / "release-tool.toml"
    config.write_text(KEYS[key])
    monkeypatch.setenv("RELEASE_TOOL_CONFIG", str(config))
    name = tomllib.loads(KEYS[key])[key]
    missing = run("verify", "u2netp_mirror_v1.onnx", *rehearsed.believing[:2], "--offline")
    assert missing.code == 3, missing.err
    assert str(own / name) in missing.err
    (own / name).write_bytes((folder / name).read_bytes())
    found = run("verify", "u2netp_mirror_v1.onnx", *rehearsed.believing)
    assert found.code == 0, found.err


def test_beside_a_repository_given_by_hand_the_folder_adds_no_workflow_ref_or_issuer(
    run, rehearsed, folder: Path
):
    config = lay(folder, STRANGER)
    by_hand = ["--repo", "rehearsal/u2netp-mirror"]
    accepted = verify(run, rehearsed, *by_hand)
    assert accepted.code == 0, accepted.err
    assert "--repo: repository rehearsal/u2netp-mirror" in accepted.err
    assert "built in: workflow release.yml, ref refs/heads/main, issuer https://token" in (
        accepted.err
    )
    whole = [*by_hand, "--workflow", "release.yml", "--ref", "refs/heads/main"]
    assert verify(run, rehearsed, *whole).code == 0
    named = verify(run, rehearsed, *by_hand, "--config", config.name)
    assert named.code == 8
    assert "release-tool.toml: workflow evil.yml, ref refs/heads/evil, issuer https://evil" in (
        named.err
    )


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("command", ["verify", "check", "fetch", "doctor"])
def test_no_key_of_a_file_that_lies_here_changes_a_judgement(
    run, world, rehearsed, folder: Path, command: str, key: str
):
    root = ["--trusted-root", str(rehearsed.trusted_root)]
    arguments = {
        "verify": ["u2netp_mirror_v1.onnx", *root],
        "check": ["u2netp_mirror_v1.onnx"],
        "fetch": ["rehearsal/u2netp-mirror@u2netp-mirror-v1", *root, *world.api],
        "doctor": [".", *root, *world.api, *world.signing, "--repo", "rehearsal/u2netp-mirror"],
    }[command]
    if command == "doctor" and key in {"malformed", "unknown key"}:
        lay(folder, KEYS[key])
        assert run(command, *arguments).code == 3  # it serves a maintainer, who wants to know
        return

    def judge():
        result = run(command, *arguments, "--json")
        if command != "doctor":
            return result.code, result.document
        [line] = [item for item in result.document["checks"] if item["name"] == "signatures"]
        return line["verdict"] == "failed", line["text"].partition(";")[0]  # then: what upload does

    before = judge()
    lay(folder, KEYS[key])
    assert judge() == before


def test_a_file_that_says_what_holds_anyway_is_not_mentioned(run, rehearsed, folder: Path):
    lay(folder, 'recipe = "u2netp"\nsigstore = "production"\n')
    assert NOT_OBEYED not in verify(run, rehearsed).err


def test_a_maintainer_is_told_what_the_file_in_the_directory_contributed(run, world, folder: Path):
    lay(folder, PUBLISHER)
    upload = run("upload", ".", "--trusted-root", world.trust_config, *world.api)
    assert "release-tool.toml in this directory gives publisher" in upload.err


READ = {
    ".": "the folder itself, only where a directory is judged",
    **{name: f"evidence: the {role}" for role, name in layout.file_names(U2NETP.names).items()},
    "release-tool.toml": "to say that it is not obeyed",
}
"""Every file in the working directory, which is also the model's, that a verdict may open."""

SPIES = [
    "pyproject.toml", "setup.cfg", ".netrc", ".env", ".git/config", ".gitconfig", ".sigstore",
    "u2netp", "u2netp.toml", "recipe.toml", "trusted_root.json", "root.json", "production",
    "sitecustomize.py", "usercustomize.py", "click.py", "release_tool.py", "sigstore.py",
    "openssl.cnf", "u2netp_mirror_v1.json", "u2netp_mirror_v1.onnx.data", "mime.types",
]  # fmt: skip


def trace(folder: Path, tmp_path: Path, *arguments: str):
    """Run the program in a folder full of files that somebody might open; tell which it opened."""
    for name in SPIES:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            path.write_text("raise SystemExit('believed')\n")
    lay(folder, PUBLISHER)
    log = tmp_path / "opened"
    watch = tmp_path / "watch"
    watch.mkdir()
    (watch / "sitecustomize.py").write_text(
        "import os, sys\n"
        f"log = os.open({str(log)!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)\n"
        f"folder = {str(folder)!r}\n"
        "def audit(event, found):\n"
        "    events = {'open', 'os.listdir', 'os.scandir'}\n"
        "    if event in events and isinstance(found[0], (str, bytes)):\n"
        "        path = os.path.abspath(os.fsdecode(found[0]))\n"
        "        if path.startswith(folder):\n"
        "            os.write(log, (os.path.relpath(path, folder) + '\\n').encode())\n"
        "sys.addaudithook(audit)\n"
    )
    program = Path(sys.executable).with_name("release-tool")
    home = tmp_path / "home"
    home.mkdir()
    finished = subprocess.run(
        [program, *arguments, "--json"],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(watch),
            "HOME": str(home),
            "NO_PROXY": "127.0.0.1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return finished, {name for name in log.read_text().split("\n") if name}


@pytest.mark.parametrize("model", ["u2netp_mirror_v1.onnx", "."])
def test_a_verdict_opens_nothing_in_the_folder_but_evidence(
    rehearsed, folder: Path, tmp_path: Path, model: str
):
    root = ["--trusted-root", str(rehearsed.trusted_root)]
    finished, opened = trace(folder, tmp_path, "verify", model, *root)
    assert finished.returncode == 8, finished.stderr
    refusal = json.loads(finished.stdout)["error"]["message"]
    assert "expected https://github.com/VMAFx/vmafx/" in refusal
    assert "u2netp_mirror_v1.onnx" in opened
    assert opened <= set(READ), opened - set(READ)


@pytest.mark.parametrize("command", ["check", "fetch", "doctor"])
def test_the_other_commands_that_judge_open_nothing_else_either(
    world, rehearsed, folder: Path, tmp_path: Path, command: str
):
    """What `fetch` downloads stands outside the folder here: only what lies in it counts."""
    root = ["--trusted-root", str(rehearsed.trusted_root), *map(str, world.api)]
    release = "rehearsal/u2netp-mirror@u2netp-mirror-v1"
    arguments, code = {
        "check": (["u2netp_mirror_v1.onnx"], 0),
        "fetch": ([release, "--to", str(tmp_path / "to"), *root], 9),
        "doctor": ([".", "--repo", "rehearsal/u2netp-mirror", *root], 3),
    }[command]
    finished, opened = trace(folder, tmp_path, command, *arguments)
    assert finished.returncode == code, finished.stderr
    assert "release-tool.toml" in opened
    assert opened <= set(READ), opened - set(READ)


def test_what_is_said_of_the_signer_is_made_of_what_decides():
    options = SignerOptions("a/b", None, "refs/tags/v1", None, None, "5", "7", None, None, None)
    belief = resolve_belief(options, Settings.of_reader(None, None))
    said = {choice.part: choice.value for choice in belief.choices}
    signer = belief.signer
    assert signer.identity == (
        f"https://github.com/{said['repository']}/.github/workflows/"
        f"{said['workflow']}@{said['ref']}"
    )
    assert signer.issuer == said["issuer"]
    assert (signer.owner_id, signer.repo_id) == (said["owner id"], said["repo id"]) == ("5", "7")
    assert not belief.by_recipe


def test_the_recipe_decides_where_nobody_named_a_signer():
    belief = resolve_belief(NOTHING, Settings.of_reader(None, None))
    assert belief.by_recipe
    assert str(belief.signer.repo) == str(U2NETP.publisher.repo)
    said = {choice.part: (choice.value, choice.by) for choice in belief.choices}
    assert said["owner id"] == ("288567244", "the recipe u2netp")
    assert said["repo id"] == ("1252235334", "the recipe u2netp")
    assert said["ref"][0] == "refs/heads/master or refs/tags/v<version>"


def test_ids_are_believed_by_hand_before_the_configured_before_the_recipes(tmp_path: Path):
    config = tmp_path / "named.toml"
    config.write_text('[publisher]\nrepo = "VMAFx/vmafx"\nowner_id = "1"\nrepo_id = "2"\n')
    named = Settings.of_reader(None, config)
    by_file = resolve_belief(NOTHING, named)
    assert (by_file.signer.owner_id, by_file.signer.repo_id) == ("1", "2")
    by_hand = resolve_belief(replace(NOTHING, owner_id="3"), named)
    assert (by_hand.signer.owner_id, by_hand.signer.repo_id) == ("3", "2")
    said = {choice.part: choice.by for choice in by_hand.choices}
    assert (said["owner id"], said["repo id"]) == ("--owner-id", str(config))


def test_another_repository_by_hand_has_none_of_the_recipes_ids():
    same = resolve_belief(replace(NOTHING, repo="VMAFx/vmafx"), Settings.of_reader(None, None))
    assert same.signer.owner_id == "288567244"
    other = resolve_belief(replace(NOTHING, repo="vmafx2/vmafx"), Settings.of_reader(None, None))
    assert (other.signer.owner_id, other.signer.repo_id) == (None, None)


def test_the_recipes_repository_by_hand_has_its_ids_whatever_else_is_configured(tmp_path: Path):
    """Else whoever takes a name that was given up would be believed by it."""
    config = tmp_path / "named.toml"
    config.write_text('[publisher]\nrepo = "somebody/else"\nowner_id = "1"\nrepo_id = "2"\n')
    belief = resolve_belief(replace(NOTHING, repo="VMAFx/vmafx"), Settings.of_reader(None, config))
    assert belief.signer == ExpectedSigner.of_publisher(U2NETP.publisher)
    said = {choice.part: choice.by for choice in belief.choices}
    assert (said["repository"], said["owner id"]) == ("--repo", "the recipe u2netp")
    assert not belief.by_recipe

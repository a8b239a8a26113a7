"""Local stand-ins for the actions that our workflows pin, each as strict as the real one.

An action that is not pinned to the commit known here, or an input that it does not have, fails.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from tests.workflows.expressions import WorkflowError

CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1"
SETUP_PYTHON = "actions/setup-python@5fda3b95a4ea91299a34e894583c3862153e4b97"
UPLOAD = "actions/upload-artifact@043fb46d1a93c77aae656e7c1c64a875d1fc6a0a"
DOWNLOAD = "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c"


@dataclass(frozen=True)
class Sources:
    """What can be checked out: the project's own tree, and that of the repository of the run.

    Without a `caller` of its own the project releases for itself.
    """

    own_repository: str
    own_commit: str
    own_tree: Path
    caller: tuple[str, str, Path] | None = None
    private: bool = False

    @property
    def trees(self) -> dict[str, tuple[str, Path]]:
        """Give commit and tree of each repository, the run's first."""
        own = {self.own_repository: (self.own_commit, self.own_tree)}
        if self.caller is None:
            return own
        repository, commit, tree = self.caller
        return {repository: (commit, tree), **own}


@dataclass
class Job:
    """What an action sees of its job."""

    workspace: Path
    temporary: Path
    path: list[str]
    sources: Sources
    artifacts: Path
    token: str
    can_read: bool
    outputs: dict[str, str] = field(default_factory=dict)


Options = dict[str, str]


def use(action: str, given: Mapping[str, str], job: Job) -> None:
    """Run the stand-in of a pinned action."""
    if action not in ACTIONS:
        raise WorkflowError(f"{action} is not an action that is pinned here")
    perform, known = ACTIONS[action]
    unknown = set(given) - set(known)
    if unknown:
        raise WorkflowError(f"{action} has no input {min(unknown)}")
    perform({**known, **given}, job)


def inside(places: Sequence[Path], path: str) -> Path:
    """Resolve a path of an action, which must not leave the first of `places`, or any of them."""
    place = (places[0] / path).resolve()
    if not any(place.is_relative_to(each.resolve()) for each in places):
        raise WorkflowError(f"{path} leads out of the workspace")
    return place


def checkout(options: Options, job: Job) -> None:
    """Copy a repository's tree, without a name that of the run; keep the token if told to."""
    trees = job.sources.trees
    repository = options["repository"] or next(iter(trees))
    place = inside([job.workspace], options["path"])
    if repository not in trees or (job.sources.private and not job.can_read):
        raise WorkflowError(f"repository '{repository}' not found")
    commit, tree = trees[repository]
    # The real one takes the default branch of a repository that is named without a ref.
    if options["ref"] != (commit if options["repository"] else ""):
        raise WorkflowError(f"{repository} has no commit {options['ref']!r} to be checked out")
    shutil.copytree(tree, place, dirs_exist_ok=True)
    git("init", "--quiet", str(place))
    if options["persist-credentials"] != "false":
        kept = job.temporary / f"git-credentials-{place.name}.config"
        kept.write_text(f"[http]\n\textraheader = AUTHORIZATION: bearer {job.token}\n")
        git("-C", str(place), "config", "include.path", str(kept))


def git(*arguments: str) -> None:
    """Run git with nothing of the user's configuration."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ["git", "-c", "safe.directory=*", "-c", "init.defaultBranch=main", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise WorkflowError(f"git {arguments[0]}: {done.stderr.strip()}")


def parse_pairs(file: Path) -> dict[str, str]:
    """Read `name=value` lines; the form for several lines is not used here."""
    pairs = {}
    for line in file.read_text().splitlines():
        name, sign, value = line.partition("=")
        if not sign or "<<" in name:
            raise WorkflowError(f"not a name and a value: {line!r}")
        pairs[name] = value
    return pairs


def setup_python(options: Options, job: Job) -> None:
    """Put the interpreter of these tests, whatever its version, on PATH unless told not to."""
    if options["python-version"].count(".") != 1:
        raise WorkflowError(f"no Python {options['python-version']!r}")
    place = job.temporary / "python"
    interpreter = getattr(sys, "_base_executable", None) or sys.executable
    if not place.exists():
        place.mkdir()
        for name in ("python", "python3"):
            (place / name).symlink_to(Path(interpreter).resolve())
    job.outputs["python-path"] = str(place / "python")
    if options["update-environment"] != "false":
        job.path.insert(0, str(place))


def upload(options: Options, job: Job) -> None:
    """Keep files under a name; hidden ones are left out, as the real action does."""
    name, path = options["name"], options["path"]
    kept = job.artifacts / name
    if not 1 <= int(options["retention-days"]) <= 90:
        raise WorkflowError(f"nothing is kept for {options['retention-days']} days")
    if "*" in path:
        folder, _, pattern = path.rpartition("/")
        found = sorted(inside([job.workspace, job.temporary], folder).glob(pattern))
        files = [(file, Path(file.name)) for file in found]
    else:
        source = inside([job.workspace, job.temporary], path)
        found = [source] if source.is_file() else sorted(source.rglob("*"))
        files = [(file, file.relative_to(source) if file != source else Path(file.name))
                 for file in found if file.is_file()]  # fmt: skip
    files = [pair for pair in files if not any(part.startswith(".") for part in pair[1].parts)]
    if not files and options["if-no-files-found"] == "error":
        raise WorkflowError(f"no files were found with the path {path}")
    if kept.exists():
        if options["overwrite"] != "true":
            raise WorkflowError(f"an artifact with the name {name} already exists")
        shutil.rmtree(kept)
    for file, inner in files:
        (kept / inner).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, kept / inner)


def download(options: Options, job: Job) -> None:
    """Bring one artifact by its name, or all that match a pattern, which may be none."""
    name, pattern = options["name"], options["pattern"]
    if bool(name) == bool(pattern):
        raise WorkflowError("download-artifact wants a name or a pattern")
    if name and not (job.artifacts / name).is_dir():
        raise WorkflowError(f"artifact not found for name: {name}")
    if pattern and options["merge-multiple"] != "true":
        raise WorkflowError("without merge-multiple each artifact gets a directory of its own")
    place = inside([job.workspace, job.temporary], options["path"])
    for kept in sorted(job.artifacts.iterdir()):
        if kept.name == name or (pattern and fnmatch(kept.name, pattern)):
            shutil.copytree(kept, place, dirs_exist_ok=True)


Action = Callable[[Options, Job], None]
ACTIONS: dict[str, tuple[Action, Options]] = {
    CHECKOUT: (
        checkout,
        {"repository": "", "ref": "", "path": ".", "persist-credentials": "true"},
    ),
    SETUP_PYTHON: (setup_python, {"python-version": "", "update-environment": "true"}),
    UPLOAD: (
        upload,
        {
            "name": "",
            "path": "",
            "if-no-files-found": "warn",
            "overwrite": "false",
            "retention-days": "90",
        },
    ),
    DOWNLOAD: (download, {"name": "", "pattern": "", "merge-multiple": "false", "path": "."}),
}

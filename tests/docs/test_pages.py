"""The pages are true: their commands run, what they name exists, and their links lead somewhere.

A console block is run unless `<!-- not run: reason -->` stands directly above it. Lines below a
command are compared with what it prints; `…` stands for anything.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import click
import pytest
from ruamel.yaml import YAML

from release_tool.cli.configuration import parse_configuration
from release_tool.cli.main import COMMANDS, cli
from release_tool.core.documents import JsonObject
from release_tool.core.errors import EXIT_CODES
from release_tool.provenance.manifest import manifest_schema
from release_tool.recipes import layout
from release_tool.recipes.catalog import parse_recipe
from release_tool.recipes.recipe import Publisher, Recipe
from release_tool.recipes.toml.writing import write_recipe
from release_tool.recipes.u2netp import U2NETP
from release_tool.rehearsal.exchange import Response
from release_tool.rehearsal.github.standin import GitHubStandIn, start_github
from release_tool.rehearsal.server import LoopbackServer, Route
from release_tool.rehearsal.sigstore.claims import Claims
from release_tool.rehearsal.stack import start_sigstore
from release_tool.rehearsal.upstream import make_upstream
from tests.test_import_table import STAGES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
DECISIONS = sorted(DOCS.glob("decisions/*.md"))
COMMUNITY = sorted((ROOT / ".github").glob("*.md"))
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md")), *COMMUNITY, *DECISIONS]
BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<why>[^\n]+) -->\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
# In the README these need no mark: what runs them stands beside them.
RUN_ELSEWHERE = {"make": "ci.yml and .ci/run", "pip": "an index; the wheel: tests/packaging"}
FOREIGN = {"--certificate-identity-regexp": "cosign"}
WORDS = r"checksums?|hash(es|ed)?|sidecars?|fingerprints?|helpers?|artefacts?|utili[sz]e"
RELEASE_FILES = {
    "evaluation.json",
    U2NETP.names.model,
    U2NETP.names.bundle,
    U2NETP.names.manifest,
    U2NETP.names.provenance,
    layout.RECIPE.name_in(U2NETP.names),
    U2NETP.names.license,
    U2NETP.names.notice,
    U2NETP.names.installed_model,
    "u2netp.pth",
    "release-tool.toml",
}


def names(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(path: Path, kind: str) -> list[re.Match[str]]:
    """Find a page's fenced blocks of one kind."""
    return [found for found in BLOCK.finditer(path.read_text()) if found["kind"] == kind]


def prose(path: Path) -> str:
    """A page without its fenced blocks and comments."""
    return re.sub(r"<!--.*?-->", "", BLOCK.sub("", path.read_text()), flags=re.DOTALL)


def spans(path: Path) -> list[str]:
    """What stands in a page's prose as code."""
    return re.findall(r"`([^`\n]+)`", prose(path))


def commands(path: Path) -> list[str]:
    """Every command line that a page shows, run or not."""
    lines = [line for found in blocks(path, "console") for line in found["text"].splitlines()]
    return [line[2:] for line in lines if line.startswith("$ ")]


@dataclass(frozen=True)
class Reader:
    """Somebody who follows a page: in a directory of their own, with the stand-ins as the world."""

    directory: Path
    environment: dict[str, str]
    github: GitHubStandIn

    def follow(self, text: str) -> None:
        """Run the commands of a block one by one, and compare what is printed."""
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            if command.split()[0] in RUN_ELSEWHERE:
                continue
            done = subprocess.run(
                ["bash", "-o", "pipefail", "-c", command],
                cwd=self.directory,
                env=self.environment,
                capture_output=True,
                text=True,
                timeout=200,
                check=False,
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
            if shown.strip():
                pattern = ".*".join(re.escape(piece) for piece in shown.strip().split("…"))
                assert re.search(pattern, done.stdout, re.DOTALL), f"{command}\n{done.stdout}"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Start a Sigstore and a GitHub that know VMAFx/vmafx, and an upstream that is small."""
    place = tmp_path_factory.mktemp("pages")
    made = make_upstream(place)
    made.checkout.rename(place / "U-2-Net")
    weights = Response(200, {}, made.checkpoint.read_bytes())
    publisher = U2NETP.publisher
    claims = Claims(
        publisher.repo,
        publisher.workflow,
        publisher.refs[0],
        owner_id=publisher.owner_id or "",
        repo_id=publisher.repo_id or "",
    )
    shim = place / "bin" / "release-tool"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -P -m release_tool "$@"\n')
    shim.chmod(0o755)
    with (
        start_sigstore(claims=claims) as sigstore,
        start_github(repo=str(claims.repo), commits={"master": claims.sha.hex}) as github,
        LoopbackServer("shelf", [Route("GET", "/u2netp.pth", lambda _: weights)]) as shelf,
    ):
        # What a page fetches by its pins comes from this machine.
        repo, sources = (place / "U-2-Net").as_uri(), (f"{shelf.url}/u2netp.pth",)
        recipe = replace(
            made.recipe,
            publisher=publisher,
            upstream=replace(made.recipe.upstream, repo=repo),
            checkpoint=replace(made.recipe.checkpoint, sources=sources),
        )
        (place / "standin.toml").write_text(write_recipe(recipe))
        github.state.default_branch = "master"
        (place / "trust_config.json").write_bytes(sigstore.trust_config)
        lines = {
            "recipe": "standin.toml",
            "sigstore": "trust_config.json",
            "github_api": github.api,
        }
        text = "".join(f'{key} = "{value}"\n' for key, value in lines.items())
        (place / "release-tool.toml").write_text(text)
        kept = {key: value for key, value in os.environ.items() if key.startswith("PY")}
        environment = {
            **kept,
            **sigstore.actions_environment(),
            "PATH": f"{shim.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(place / "home"),
            "LANG": "C.UTF-8",
            "GH_TOKEN": github.token,
            "RELEASE_TOOL_CACHE": str(place / "cache"),
            "RELEASE_TOOL_CONFIG": "release-tool.toml",
        }
        reader = Reader(place, environment, github)
        options = "--upstream-dir U-2-Net --checkpoint u2netp.pth --repo VMAFx/vmafx"
        reader.follow(f"$ release-tool publish {options} --out released")
        yield reader


@pytest.fixture
def reader(world: Reader, tmp_path: Path) -> Iterator[Reader]:
    """Give each page a directory with what its reader has by then, and the published release."""
    directory = tmp_path / "reader"
    shutil.copytree(world.directory, directory, ignore=shutil.ignore_patterns("bin", "released"))
    shutil.copytree(world.directory / "released", directory, dirs_exist_ok=True)
    state = world.github.state
    releases, tags = dict(state.releases), dict(state.tags)
    yield replace(world, directory=directory)
    state.releases.clear()
    state.releases.update(releases)
    state.tags.clear()
    state.tags.update(tags)


@pytest.mark.parametrize("path", PAGES, ids=names)
def test_every_console_block_runs_or_says_why_not(path: Path, reader: Reader):
    if path.name in ("README.md", "maintainer.md"):  # their readers have published nothing yet
        reader.github.state.releases.clear()
        reader.github.state.tags.clear()
    for found in blocks(path, "console"):
        assert found["text"].startswith("$ ")
        if not found["why"]:
            reader.follow(found["text"])


def test_from_the_consumers_page_to_a_verified_file_in_two_commands():
    first, second = commands(DOCS / "consumer.md")[:2]
    assert first == "pip install ."
    assert second.startswith("release-tool fetch ")


def test_the_readme_needs_one_command_for_a_rehearsal_and_make_has_it():
    assert commands(ROOT / "README.md")[0] == "make rehearse"
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in PAGES:
        shown = [line.split()[1] for line in commands(path) if line.startswith("make ")]
        named = [span.split()[1] for span in spans(path) if re.match(r"make [a-z-]+$", span)]
        assert set(shown + named) <= targets


def options_of(name: str) -> set[str]:
    """The options of one command, all spellings."""
    command = cli.get_command(click.Context(cli), name)
    assert command is not None, f"there is no command {name}"
    found = {option for parameter in command.params for option in parameter.opts}
    return found | {"--help", "-h"}


@pytest.mark.parametrize("path", PAGES, ids=names)
def test_every_command_and_option_that_a_page_names_exists(path: Path):
    known = set().union(*(options_of(name) for name in COMMANDS)) | {"--version"}
    for line in [*commands(path), *spans(path)]:
        if line.startswith("release-tool "):
            words = shlex.split(line.split("|")[0])
            if words[1].startswith("-") or not words[1].isalpha():
                continue
            unknown = {w for w in words[2:] if w.startswith("--")} - options_of(words[1])
            assert not unknown, f"{words[1]} has no {unknown}"
    for span in spans(path):
        for option in re.findall(r"(?<!\S)--[a-z][a-z-]+", span):
            foreign = not span.startswith(("--", "release-tool"))
            assert foreign or option in known or option in FOREIGN, option


@pytest.mark.parametrize("path", PAGES, ids=names)
def test_every_exit_code_that_a_page_names_exists(path: Path):
    text = path.read_text()
    named = re.findall(r"exit codes? (\d+)|^\| (\d+) \|", text, re.IGNORECASE | re.MULTILINE)
    assert {int(first or second) for first, second in named} <= set(EXIT_CODES)


def test_the_commands_and_the_exit_codes_are_all_documented():
    text = "".join(path.read_text() for path in PAGES)
    assert all(f"## release-tool {name}\n" in text for name in COMMANDS)
    table = (ROOT / "README.md").read_text()
    assert all(f"| {code} |" in table for code in EXIT_CODES)


@pytest.mark.parametrize("path", PAGES, ids=names)
def test_every_file_that_a_page_names_exists(path: Path):
    pattern = r"\.?[\w./-]+\.(?:py|yml|md|json|toml|mjs|sh|onnx|pth|txt)"
    for span in spans(path):
        if not re.fullmatch(pattern, span) or Path(span).name in RELEASE_FILES:
            continue
        found = [ROOT / span, path.parent / span, ROOT / "release_tool" / span]
        found += list((ROOT / ".github").rglob(Path(span).name)) if "/" not in span else []
        assert any(place.exists() for place in found), f"{path.name} names {span}"


@pytest.mark.parametrize("path", PAGES, ids=names)
def test_every_link_leads_somewhere(path: Path):
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if target.startswith("https://"):
            continue
        place, _, anchor = target.partition("#")
        page = (path.parent / place) if place else path
        assert page.exists(), f"{path.name} links to {target}"
        if anchor:
            titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", t).lower().replace(" ", "-") for t in titles}


@pytest.mark.parametrize("path", PAGES, ids=names)
def test_pages_use_the_words_of_the_glossary(path: Path):
    text = re.sub(r"`[^`]*`", "", prose(path))
    found = re.search(rf"\b({WORDS})\b", text, re.IGNORECASE)
    assert not found, found


def test_the_recipes_on_their_page_are_read_and_every_field_is_explained():
    page = DOCS / "recipes.md"
    for found in blocks(page, "toml"):
        parse_recipe(found["text"].encode(), page.name)
    said = " ".join(spans(page))
    assert [
        field.name for field in fields(Recipe) if field.compare and field.name not in said
    ] == []
    assert [field.name for field in fields(Publisher) if field.name not in said] == []


def test_every_decision_is_on_the_design_page():
    text = (DOCS / "design.md").read_text()
    assert [path.name for path in DECISIONS if f"decisions/{path.name}" not in text] == []


def test_the_table_of_imports_on_the_design_page_is_the_one_that_is_kept():
    rows = re.findall(
        r"^\| `(\w+)` \| .* \|(.*)\|$", (DOCS / "design.md").read_text(), re.MULTILINE
    )
    shown = {stage: set(re.findall(r"`(\w+)`", allowed)) for stage, allowed in rows}
    assert {stage: shown.get(stage) for stage in STAGES} == STAGES


def schema_fields(schema: JsonObject, part: JsonObject | None = None, path: str = "") -> set[str]:
    """List the fields of a JSON Schema by their dotted names."""
    part = schema if part is None else part
    if "$ref" in part:
        part = schema["$defs"][part["$ref"].rpartition("/")[2]]
    found = set()
    for name, inner in part.get("properties", {}).items():
        here = f"{path}.{name}".lstrip(".")
        found |= {here} | schema_fields(schema, inner, here)
    return found


def test_every_field_of_the_manifest_is_explained_and_no_other():
    text = (DOCS / "manifest.md").read_text().partition("<!-- fields -->")[2]
    rows = re.findall(r"^\| `([\w.]+)` \|", text.partition("\n## ")[0], re.MULTILINE)
    fields = schema_fields(manifest_schema(U2NETP.formats.manifest_schema))
    assert set(rows) <= fields
    covered = {field for field in fields if any(f"{field}.".startswith(f"{row}.") for row in rows)}
    parents = {field for field in fields if any(row.startswith(f"{field}.") for row in rows)}
    assert fields == covered | parents
    assert len(rows) == len(set(rows))


def test_the_configuration_that_pages_show_is_one():
    pages = [path for path in PAGES if path.name != "recipes.md"]
    shown = [(path, found) for path in pages for found in blocks(path, "toml")]
    assert shown
    for path, found in shown:
        parse_configuration(tomllib.loads(found["text"]), path)


def test_what_the_consumers_page_calls_in_ci_has_the_inputs_and_outputs_that_it_shows():
    yaml = YAML(typ="safe", pure=True)
    step, job = (yaml.load(each["text"])["jobs"] for each in blocks(DOCS / "consumer.md", "yaml"))
    [use, then], called = step["use"]["steps"], job["model"]
    action = yaml.load((ROOT / ".github/actions/verify/action.yml").read_text())
    assert "/.github/actions/verify@" in use["uses"]
    assert set(use["with"]) <= set(action["inputs"])
    outputs = re.findall(rf"steps\.{use['id']}\.outputs\.([\w-]+)", str(then))
    assert outputs == ["path"]
    assert set(outputs) <= set(action["outputs"])
    declared = yaml.load((ROOT / ".github/workflows/verify.yml").read_text())["on"]["workflow_call"]
    assert "/.github/workflows/verify.yml@" in called["uses"]
    assert set(called["with"]) <= set(declared["inputs"])
    assert called["permissions"] == step["use"]["permissions"] == {"contents": "read"}


def test_python_that_pages_show_compiles_and_its_imports_are_there():
    for path in PAGES:
        for found in blocks(path, "python"):
            compile(found["text"], path.name, "exec")
            imports = [line for line in found["text"].splitlines() if line.startswith("from ")]
            exec("\n".join(imports), {})  # noqa: S102

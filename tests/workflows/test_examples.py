"""The jobs for the fork's workflow, run as its repository would, against its loader's rules."""

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from ruamel.yaml import YAML

from release_tool.core.names import RepoSlug
from release_tool.recipes.consumer import PUBLISHER
from release_tool.recipes.toml.writing import write_recipe
from release_tool.rehearsal.github.standin import start_github
from release_tool.rehearsal.sigstore.claims import Claims
from release_tool.rehearsal.stack import start_sigstore
from tests.workflows.actions import Sources
from tests.workflows.conftest import ROOT, TAG, Project
from tests.workflows.runner import Protection, Run

EXAMPLE = ROOT / "docs" / "examples" / "vmafx" / "supply-chain.yml"
TOOL = "VMAFx/release-tool"
MODEL = "u2netp_mirror_v1.onnx"
CLAIMS = Claims.of(
    "VMAFx/vmafx",
    workflow="supply-chain.yml",
    ref="refs/tags/v1.2.3",
    owner_id="288567244",
    repo_id="1252235334",
)
ENVIRONMENTS = {"release-publish": Protection(("v*",), reviewed=True)}
REPLACED = """
RECIPES["u2netp"] = parse_recipe(Path(__file__).with_name("small.toml").read_bytes(), "u2netp")
"""
# The rules of the fork's loader, written anew (its ADR-2985).
BELIEVED = re.compile(
    r"https://github\.com/VMAFx/vmafx/\.github/workflows/supply-chain\.yml"
    r"@refs/(heads/master|tags/v[0-9][0-9A-Za-z.+-]*)"
)
OIDS = "1.3.6.1.4.1.57264.1."


def refusals(content: bytes) -> list[str]:
    """Say what the fork's loader would have against a bundle."""
    text = content.decode()
    found = [word for word in ("raw_bytes", "\\u") if word in text]
    found += ["rawBytes"] * (text.count('"rawBytes"') != 1)
    der = base64.b64decode(json.loads(text)["verificationMaterial"]["certificate"]["rawBytes"])
    certificate = x509.load_der_x509_certificate(der)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(der) > 8192 or len(list(names)) != 1 or not BELIEVED.fullmatch("".join(uris)):
        found.append(f"identity {uris}")
    stated = {
        each.oid.dotted_string: each.value.value
        for each in certificate.extensions
        if isinstance(each.value, x509.UnrecognizedExtension)
    }
    if not stated[f"{OIDS}8"].endswith(b"\x2bhttps://token.actions.githubusercontent.com"):
        found.append("issuer")
    if not stated[f"{OIDS}17"].endswith(b"\x09288567244"):
        found.append("owner")
    return found


@contextmanager
def open_fork(world: Project, place: Path, claims: Claims = CLAIMS) -> Iterator[Project]:
    """Let the fork release the small stand-in network as `u2netp`."""
    tree = shutil.copytree(world.services.sources.own_tree, place / "tree")
    recipe = replace(world.recipe, name="u2netp", publisher=PUBLISHER)
    (tree / "release_tool" / "recipes" / "small.toml").write_text(write_recipe(recipe))
    with (tree / "release_tool" / "recipes" / "catalog.py").open("a") as stream:
        stream.write(REPLACED)
    caller = place / "caller"
    caller.mkdir()
    with (
        start_sigstore(claims=claims) as sigstore,
        start_github(
            repo=str(claims.repo), token="ghs_rehearsal", commits={"main": claims.sha.hex}
        ) as github,
    ):
        (tree / "trust_config.json").write_bytes(sigstore.trust_config)
        own = (str(claims.repo), claims.sha.hex, caller)
        services = replace(
            world.services,
            github=github,
            sigstore=sigstore,
            claims=claims,
            sources=Sources(TOOL, claims.sha.hex, tree, own),
            environments=ENVIRONMENTS,
        )
        yield replace(world, services=services, place=place)


def open_example(commit: str) -> dict[str, Any]:
    text = EXAMPLE.read_text()
    assert text.count("@" + "0" * 40) == 3
    return dict(YAML(typ="safe", pure=True).load(text.replace("0" * 40, commit)))


def logs(run: Run) -> str:
    return "".join(job.log for job in run.jobs.values())


@pytest.fixture(scope="module")
def fork(world_of_actions: Project, tmp_path_factory) -> Iterator[tuple[Project, Run]]:
    """The fork, and a run of its workflow whose first job is done."""
    with open_fork(world_of_actions, tmp_path_factory.mktemp("fork")) as project:
        workflow = open_example(CLAIMS.sha.hex)
        run = Run(workflow, {"model_tag": TAG}, project.services, project.fresh_place())
        run.approved = True
        run.go(until="model-export")
        assert run.jobs["model-export"].result == "success", logs(run)
        yield project, run


def test_the_forks_jobs_release_what_its_loader_and_a_plain_verify_accept(fork):
    project, exported = fork
    run = exported.copy(project.fresh_place()).go()
    assert {job.result for job in run.jobs.values()} == {"success"}, logs(run)
    assert project.published == [TAG]
    assert project.services.github.state.latest is None
    dist = project.place / "runs" / "machine" / "temp" / "model-release" / "dist"
    assert refusals((dist / f"{MODEL}.sigstore.json").read_bytes()) == []
    configuration = project.services.sources.own_tree / "release-tool.toml"
    done = subprocess.run(
        [dist.parents[1] / "release-tool" / "bin" / "release-tool", "verify", dist / MODEL],
        env={"PATH": os.environ["PATH"], "RELEASE_TOOL_CONFIG": str(configuration)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "claims",
    [
        replace(CLAIMS, ref="refs/heads/other"),
        replace(CLAIMS, workflow="release.yml"),
        replace(CLAIMS, repo=RepoSlug("somebody", "vmafx"), owner_id="1", repo_id="2"),
    ],
    ids=["branch", "workflow", "fork"],
)
def test_any_other_run_stops_before_fulcio_is_asked(fork, claims: Claims):
    project, exported = fork
    with start_sigstore(claims=claims) as sigstore:
        tree = project.services.sources.own_tree
        trusted = (tree / "trust_config.json").read_bytes()
        (tree / "trust_config.json").write_bytes(sigstore.trust_config)
        services = replace(project.services, sigstore=sigstore, claims=claims, environments={})
        run = exported.copy(project.fresh_place(), services=services).go()
        (tree / "trust_config.json").write_bytes(trusted)
        assert run.jobs["model-sign"].failed_step == "Sign", logs(run)
        assert "believes another signer" in run.jobs["model-sign"].log
        assert len(sigstore.ctlog.entries) == 0
    assert run.jobs["model-publish"].result == "skipped"


@pytest.mark.parametrize(
    ("job", "right", "step"),
    [
        ("model-sign", "id-token", "Sign"),
        ("model-publish", "contents", "Upload to a draft, compare, publish"),
    ],
)
def test_a_permission_that_is_taken_away_stops_the_forks_run(fork, job, right, step):
    project, exported = fork
    workflow = open_example(CLAIMS.sha.hex)
    del workflow["jobs"][job]["permissions"][right]
    project.services.github.state.releases.clear()
    run = exported.copy(project.fresh_place(), workflow=workflow).go()
    assert run.jobs[job].failed_step == step, logs(run)
    assert project.published == []


def test_without_its_environment_nothing_would_hold_a_signature_back(fork):
    project, exported = fork
    before = project.entries
    run = exported.copy(project.fresh_place(), approved=False).go(until="model-sign")
    assert run.jobs["model-sign"].result == "waiting"
    assert project.entries == before
    workflow = open_example(CLAIMS.sha.hex)
    for job in workflow["jobs"].values():
        if job["permissions"]:
            assert job.pop("environment") == "release-publish"
    loose = exported.copy(project.fresh_place(), approved=False, workflow=workflow)
    assert loose.go(until="model-sign").jobs["model-sign"].result == "success", logs(loose)
    assert project.entries > before

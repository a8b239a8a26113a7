"""The release workflow, run: every script of it, job by job, on machines of its own."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from release_tool.core.digest import Sha256
from release_tool.recipes import layout
from release_tool.recipes.u2netp import U2NETP
from release_tool.rehearsal.github.standin import CallKind, Fault, FaultKind
from tests.workflows.conftest import TAG, open_action, open_workflow
from tests.workflows.runner import Protection

MODEL = "u2netp_mirror_v1.onnx"
BUNDLE = f"{MODEL}.sigstore.json"
MACHINE = "/temp/model-release/installed/u2netp_mirror.onnx of rehearsal/u2netp-mirror, signed by"
LOCKED = "Install the tool of this commit, and nothing that is not locked"
OK = dict.fromkeys(("here", "export", "sign", "publish"), "success")
NOTHING = OK | {"sign": "skipped", "publish": "skipped"}
UNLOCKED = "Install the tool of this commit with its export stage"
OTHER_CASES = {
    "Take over the signatures of an earlier attempt, if there are any",
    "Remove the draft of a dry run",
    UNLOCKED,
}
EXPORTING = OTHER_CASES - {UNLOCKED} | {LOCKED}
SIGNING = "Prove that these are the files that were measured"


def logs(run) -> str:
    return "".join(job.log for job in run.jobs.values())


def results(run) -> dict[str, str]:
    return {name: job.result for name, job in run.jobs.items()}


def steps_of(steps):
    """List the steps of a job that are not for another case, in the order of their taking."""
    for step in steps:
        yield step["name"]
        uses = step.get("uses", "")
        if uses.startswith("$/"):
            inner = open_action(uses.rpartition("/")[2])["runs"]["steps"]
            other = OTHER_CASES if step.get("with", {}).get("export") is None else EXPORTING
            yield from steps_of([each for each in inner if each["name"] not in other])


def drop_right(job: str, right: str):
    """Take one permission away from one job."""

    def change(workflow) -> None:
        del workflow["jobs"][job]["permissions"][right]

    return change


def changed(run, change):
    """Branch off a run with a change in its workflow."""
    workflow = open_workflow("release.yml")
    change(workflow)
    return run.copy(run.place.with_name(f"{run.place.name}-changed"), workflow=workflow)


def test_a_release_comes_out_published_and_verified(exported, project):
    before = project.entries
    run = exported.go()
    assert set(results(run).values()) == {"success"}, logs(run)
    assert project.published == [TAG]
    assert project.entries == before + 2
    [release] = project.services.github.state.releases.values()
    names = {asset.name for asset in release.assets.values()}
    whole = set(layout.file_names(U2NETP.names).values())
    assert whole - layout.optional_names(U2NETP.names) <= names <= whole
    assert names <= {path.name for path in run.artifacts.glob("model-*/*")}
    summary, log = run.jobs["publish"].summary, run.jobs["publish"].log
    assert "verified" in summary
    assert f"gh verified {MACHINE}" in log.replace(str(run.place.parent / "machine"), "")
    assert "cosign verified" in log
    assert project.services.claims.identity in summary
    exported_model = run.artifacts / "model-exported" / MODEL
    assert str(Sha256.of_file(exported_model)) in summary
    for name, job in open_workflow("release.yml")["jobs"].items():
        assert run.jobs[name].steps == list(steps_of(job["steps"])), name


def test_a_publication_that_stopped_goes_on_when_its_failed_job_runs_again(exported, project):
    faults = project.services.github.faults
    faults.append(Fault(CallKind.UPLOAD, FaultKind.FORBIDDEN, nth=3, times=10**6))
    project.services.github.counts.clear()
    stopped = exported.go()
    assert results(stopped) == OK | {"publish": "failure"}
    assert project.published == []
    entries = project.entries
    faults.clear()
    again = stopped.go(again=True)
    assert results(again)["publish"] == "success", logs(again)
    assert project.published == [TAG]
    assert project.entries == entries
    assert len(project.services.github.state.releases) == 1


def test_running_all_jobs_again_reuses_the_signatures_and_changes_nothing(exported, project):
    first = exported.go()
    entries = project.entries
    all_again = first.copy(project.fresh_place())
    del all_again.jobs["sign"], all_again.jobs["publish"]
    all_again.go(again=True)
    assert results(all_again)["publish"] == "success", logs(all_again)
    assert "reusing the signatures" in all_again.jobs["sign"].log
    assert "already published" in all_again.jobs["publish"].log
    assert project.entries == entries


@pytest.mark.parametrize(
    ("job", "right", "step", "reason"),
    [
        ("sign", "id-token", "Sign", "insufficient OIDC token permissions"),
        ("publish", "contents", "Upload to a draft, compare, publish", "404"),
        ("publish", "attestations", "Verify by GitHub's attestation", "attestation"),
    ],
)
def test_a_permission_that_is_taken_away_stops_the_run_where_github_would(
    exported, project, job: str, right: str, step: str, reason: str
):
    before = project.entries
    run = changed(exported, drop_right(job, right)).go()
    assert run.jobs[job].failed_step == step, logs(run)
    assert reason in run.jobs[job].log
    if right != "attestations":
        assert project.published == []
    if job == "sign":
        assert project.entries == before


def test_reading_a_private_repository_takes_the_export_jobs_permission(project):
    private = project.with_sources(private=True)
    first = "Check out the repository that releases, for its recipe"
    refused = private.run(drop_right("export", "contents"), tag="a/b").go(until="export")
    assert refused.jobs["export"].failed_step == first
    let_in = private.run(tag="a/b").go(until="export")
    assert let_in.jobs["export"].failed_step == "Check the inputs", logs(let_in)


def test_an_enterprise_server_stops_the_run_before_anything_is_fetched(project):
    run = replace(project.run(), server="https://github.example.org").go()
    assert results(run) == NOTHING | {"here": "failure", "export": "skipped"}
    assert "https://github.example.org has no identity" in run.jobs["here"].log


def test_a_job_that_forgets_to_hand_its_files_on_stops_the_next(project, exported, tmp_path):
    def change(action) -> None:
        steps = action["runs"]["steps"]
        steps[:] = [step for step in steps if step["name"] != "Hand the signatures on"]

    run = exported.copy(
        project.fresh_place(), services=project.with_action("sign", change, tmp_path).services
    ).go()
    assert run.jobs["publish"].failed_step == "Take over the signatures"
    assert "artifact not found" in run.jobs["publish"].log


def test_a_dry_run_goes_to_the_complete_draft_and_removes_it(exported, project):
    project.services.github.requests.clear()
    run = exported.copy(project.fresh_place(), inputs={**exported.inputs, "dry_run": "true"}).go()
    assert set(results(run).values()) == {"success"}, logs(run)
    assert not project.services.github.state.releases
    assert not project.services.github.state.tags
    kinds = [request.kind for request in project.services.github.requests]
    assert kinds.count(CallKind.UPLOAD) >= 5
    assert CallKind.PUBLISH not in kinds
    assert "Dry run of `u2netp-mirror-v1`: the draft was complete" in run.jobs["publish"].summary


def test_a_dry_run_that_fails_leaves_no_draft_behind_either(exported, project):
    faults = project.services.github.faults
    faults.append(Fault(CallKind.UPLOAD, FaultKind.FORBIDDEN, nth=3, times=10**6))
    project.services.github.counts.clear()
    run = exported.copy(project.fresh_place(), inputs={**exported.inputs, "dry_run": "true"}).go()
    assert run.jobs["publish"].failed_step == "Upload to a draft, compare, publish"
    assert not project.services.github.state.releases


def test_nothing_is_published_where_nobody_else_could_check_it(exported, project):
    run = exported.copy(project.fresh_place(), missing=("gh",)).go()
    assert run.jobs["publish"].failed_step == "Check the inputs"
    assert "gh, which checks independently" in run.jobs["publish"].log
    assert project.published == []


def test_an_environment_lets_the_jobs_sign_and_publish_by_its_rules_alone(exported, project):
    before = project.entries
    rules = {"release": Protection(("v*",))}
    services = replace(project.services, environments=rules)
    run = exported.copy(project.fresh_place(), services=services).go()
    assert results(run) == NOTHING | {"sign": "failure"}
    assert '"main" is not allowed to deploy to release' in run.jobs["sign"].log
    services = replace(project.services, environments={"release": Protection(reviewed=True)})
    waiting = exported.copy(project.fresh_place(), services=services).go()
    assert results(waiting) == NOTHING | {"sign": "waiting"}
    assert project.entries == before


def test_a_model_that_was_swapped_between_the_jobs_is_not_signed(exported, project):
    before = project.entries
    model = exported.artifacts / "model-exported" / MODEL
    model.write_bytes(model.read_bytes()[:-1] + b"x")
    run = exported.go()
    assert results(run) == NOTHING | {"sign": "failure"}
    assert project.entries == before


def test_a_manifest_that_was_swapped_between_the_jobs_is_not_signed(exported, project):
    before = project.entries
    manifest = exported.artifacts / "model-exported" / "u2netp_mirror_v1.manifest.json"
    manifest.write_bytes(manifest.read_bytes() + b"\n")
    run = exported.go()
    assert run.jobs["sign"].failed_step == SIGNING
    assert "computed checksum did NOT match" in run.jobs["sign"].log
    assert project.entries == before


def test_an_export_job_that_lies_about_everything_still_gets_no_foreign_weights_signed(
    exported, project
):
    """Model, manifest and the job's output agree with each other, but not with the pins."""
    before = project.entries
    forge(exported.artifacts / "model-exported")
    manifest = exported.artifacts / "model-exported" / "u2netp_mirror_v1.manifest.json"
    digest = Sha256.of_file(manifest).hex
    exported.jobs["export"].outputs["manifest_sha256"] = digest
    run = exported.go()
    assert run.jobs["sign"].failed_step == SIGNING, logs(run)
    assert "exit code 4" in run.jobs["sign"].log
    assert project.entries == before


def forge(directory: Path) -> None:
    """Change one weight, and let the manifest say that all is well."""
    model, manifest = directory / MODEL, directory / "u2netp_mirror_v1.manifest.json"
    content = bytearray(model.read_bytes())
    old = Sha256.of_bytes(bytes(content)).hex
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    text = manifest.read_text().replace(old, Sha256.of_bytes(bytes(content)).hex)
    manifest.write_text(text)
    json.loads(text)


# More of the kind, without the machines around it, are in test_release_inputs.py.
INJECTIONS = ('"; touch owned; curl http://127.0.0.1:1/ #', "$(touch owned)")


@pytest.mark.parametrize("text", [*INJECTIONS, "../../x"])
def test_a_tag_that_is_none_stops_the_run_before_anything_is_signed(project, text: str):
    before = project.entries
    run = project.run(tag=text).go()
    assert results(run) == NOTHING | {"export": "failure"}
    assert run.jobs["export"].failed_step == "Check the inputs"
    assert "not a tag that can be released" in run.jobs["export"].log
    refused_harmlessly(project, run, before)


@pytest.mark.parametrize("text", INJECTIONS)
def test_a_recipe_that_is_none_stops_the_run_before_anything_is_signed(project, text: str):
    before = project.entries
    run = project.run(recipe=text).go()
    assert run.jobs["export"].failed_step == "Check the inputs"
    assert "no recipe is called" in run.jobs["export"].log
    refused_harmlessly(project, run, before)


@pytest.mark.parametrize("text", INJECTIONS)
def test_a_checkpoint_address_that_is_none_stops_the_run(project, text: str):
    before = project.entries
    run = project.run(checkpoint_url=text).go()
    assert run.jobs["export"].failed_step == "Check the inputs"
    assert "not an https address" in run.jobs["export"].log
    refused_harmlessly(project, run, before)


def test_without_an_address_the_recipes_sources_are_asked_in_their_order(project):
    run = project.run(checkpoint_url="").go(until="export")
    assert results(run)["export"] == "success", logs(run)
    assert "source 1 of the checkpoint failed" in run.jobs["export"].log
    assert f"from source 2, {project.shelf.url}/u2netp.pth" in run.jobs["export"].log


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("elsewhere", "redirects to example.org, which is not an https address"),
        ("page", "answered with a web page"),
        ("endless", "sends more than the"),
        ("other", "the recipe standin pins"),
        ("missing", "answered 404"),
        ('u2netp.pth"; touch owned; #', "answered 404"),
    ],
)
def test_a_checkpoint_that_is_not_the_pinned_one_stops_the_run(
    exported, project, name: str, reason: str
):
    before = project.entries
    run = project.run(checkpoint_url=f"{project.shelf.url}/{name}").go()
    assert run.jobs["export"].failed_step == "Fetch the checkpoint", logs(run)
    assert reason.replace("standin", project.recipe.name) in run.jobs["export"].log
    refused_harmlessly(project, run, before)


def refused_harmlessly(project, run, entries: int) -> None:
    """Nothing was signed, nothing published, and no script did what an input asked for."""
    assert results(run) == NOTHING | {"export": "failure"}
    assert project.entries == entries
    assert not project.services.github.state.releases
    machine = run.place.parent / "machine"
    assert not [path for path in machine.rglob("owned*") if "installed" not in str(path)]
    assert not (machine / "temp" / "model-release" / "checkpoint.pth").exists()

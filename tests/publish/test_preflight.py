"""The preflight: each check of the list, good and bad, and that it changes nothing."""

import time

import pytest

from release_tool.core.errors import ConflictError, PublishError
from release_tool.core.names import RepoSlug
from release_tool.publish.preflight import Verdict, check_publishable, describe_clock
from release_tool.publish.transaction import abort_draft
from release_tool.rehearsal.github import Fault

MANIFEST = "tiny.manifest.json"


def look(world, files=None, github=None, **options):
    github = github or world.connect()
    before = {number: release.draft for number, release in world.state.releases.items()}
    found = check_publishable(
        github, world.repo, world.tag, files, manifest_name=MANIFEST if files else None, **options
    )
    assert {number: item.draft for number, item in world.state.releases.items()} == before
    return {finding.name: finding for finding in found}


def test_a_free_tag_and_a_good_token_pass_every_check(make_world, files):
    world = make_world(immutable=True)
    found = look(world, files, target="main")
    assert set(found) == {
        "files", "token", "repository", "target", "tag", "immutable releases", "clock",
    }  # fmt: skip
    assert {finding.verdict for finding in found.values()} == {Verdict.OK}
    assert found["tag"].text == "tiny-v1 is free"
    assert found["immutable releases"].text.startswith("on:")


def test_without_files_and_target_less_is_known(world):
    found = look(world)
    assert "files" not in found
    assert found["target"].verdict is Verdict.UNKNOWN
    assert found["tag"].text == "tiny-v1 is free"
    assert found["immutable releases"].verdict is Verdict.UNKNOWN


def test_a_missing_token_ends_the_list(world, files):
    found = look(world, files, github=world.connect(token=None))
    assert list(found) == ["files", "token", "repository"]
    assert found["token"].verdict is Verdict.FAILED
    assert isinstance(found["token"].error, PublishError)
    assert not world.stand_in.requests


def test_a_token_without_push_is_refused(make_world, files):
    world = make_world(push=False)
    found = look(world, files)
    assert found["repository"].text == "the token may not push to rehearsal/tiny"
    with pytest.raises(PublishError, match="may not push") as caught:
        world.publish(files)
    assert caught.value.exit_code == 6


def test_an_apps_token_is_not_judged_by_what_github_says_of_its_rights(make_world, files):
    world = make_world(push=False, token="ghs_of_an_installation")
    found = look(world, files, github=world.connect(token="ghs_of_an_installation"))
    assert found["token"].text.startswith("a token of an app")
    assert found["repository"].verdict is Verdict.UNKNOWN


def test_a_wrong_token_is_refused(world, files):
    with pytest.raises(PublishError, match="401, Bad credentials") as caught:
        world.publish(files, world.connect(token="ghp_wrong"))
    assert caught.value.exit_code == 6
    assert "GH_TOKEN" in str(caught.value.hint)


def test_no_token_is_refused_with_advice(world, files):
    for act in (
        lambda github: world.publish(files, github),
        lambda github: abort_draft(github, world.repo, world.tag),
    ):
        with pytest.raises(PublishError, match="no GitHub token") as caught:
            act(world.connect(token=None))
        assert "GH_TOKEN" in str(caught.value.hint)


def test_a_repository_that_is_not_there_is_refused(world, files):
    world.repo = RepoSlug.parse("rehearsal/other")
    with pytest.raises(PublishError, match="404, Not Found"):
        world.publish(files)


def test_a_renamed_repository_is_refused_with_its_present_name(world, files):
    world.state.old_names.add("rehearsal/old")
    world.repo = RepoSlug.parse("rehearsal/old")
    with pytest.raises(PublishError, match="rehearsal/old is called rehearsal/tiny now"):
        world.publish(files)


def test_a_repository_named_in_other_letters_is_the_same(world, files):
    world.repo = RepoSlug.parse("Rehearsal/Tiny")
    world.publish(files)


def test_an_archived_repository_is_refused(world, files):
    world.state.archived = True
    with pytest.raises(PublishError, match="is archived"):
        world.publish(files)


def test_files_that_cannot_be_assets_are_found(world, files, tmp_path):
    (tmp_path / "empty").touch()
    found = look(world, {**files, "empty": tmp_path / "empty"})
    assert found["files"].verdict is Verdict.FAILED
    assert "has 0 bytes" in found["files"].text


def test_a_target_that_is_not_there_is_found(world):
    assert look(world, target="nowhere")["target"].verdict is Verdict.FAILED


def test_what_the_tag_holds_is_told(world, files):
    world.publish(files, keep_draft=True)
    assert look(world, files)["tag"].text.endswith("will be resumed")
    assert look(world)["tag"].text.startswith("a draft of ours")
    world.publish(files)
    assert look(world, files)["tag"].text.endswith("with these assets")
    assert look(world)["tag"].verdict is Verdict.UNKNOWN
    files["tiny.onnx"].write_bytes(b"other")
    assert isinstance(look(world, files)["tag"].error, ConflictError)


def test_a_persons_draft_is_found_with_and_without_files(world, files):
    world.state.make_release({"tag_name": "tiny-v1", "draft": True})
    assert isinstance(look(world, files)["tag"].error, ConflictError)
    assert isinstance(look(world)["tag"].error, ConflictError)


def test_the_immutable_setting_may_be_off(world):
    github = world.connect()
    github.fetch_immutable_setting = lambda repo: False
    assert look(world, github=github)["immutable releases"].text.startswith("off:")


@pytest.mark.parametrize(("ahead", "word"), [(4000, "ahead of"), (-4000, "behind")])
def test_a_wrong_clock_is_found(world, ahead, word):
    github = world.connect(clock=lambda: time.time() + ahead)
    finding = look(world, github=github)["clock"]
    assert finding.verdict is Verdict.FAILED
    assert word in finding.text


def test_answers_without_a_date_leave_the_clock_unknown(world):
    assert describe_clock(world.connect())[0] is Verdict.UNKNOWN


def test_one_failing_check_does_not_hide_the_others(make_world):
    world = make_world(faults=[Fault.parse("commit:500:1:1000")])
    found = look(world)
    assert found["target"].verdict is Verdict.FAILED
    assert found["tag"].verdict is Verdict.OK

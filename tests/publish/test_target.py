"""Where the tag will stand, and what GitHub refuses where the workflow files have moved on."""

import pytest

from release_tool.core.errors import ConflictError, PublishError
from release_tool.core.names import Latest
from release_tool.github.finding import Verdict
from release_tool.github.preflight import check_publishable, check_ready
from release_tool.github.target import find_target
from release_tool.rehearsal.github.settings import Ruleset

HEAD, OLD, ASIDE = "a" * 40, "b" * 40, "c" * 40
BEFORE = {"release.yml": "on: push\n"}


@pytest.fixture
def world(make_world):
    """A repository whose workflow files changed after the commit `old`, but not after `aside`."""
    world = make_world(commits={"main": HEAD, "old": OLD, "aside": ASIDE})
    world.state.settings.workflows[OLD] = BEFORE
    return world


def told(world) -> list[str]:
    """The target of every release that there is."""
    return [release.target for release in world.state.releases.values()]


def compared(world) -> int:
    kinds: list[str] = world.kinds()
    return kinds.count("contents")


@pytest.mark.parametrize("target", [None, "main"])
def test_for_the_default_branchs_head_github_is_told_no_target(world, files, target):
    world.publish(files, target=target)
    assert told(world) == ["main"]
    assert world.state.tags == {"tiny-v1": HEAD}
    assert compared(world) == 0


def test_the_heads_own_commit_is_told_and_nothing_is_compared(world, files):
    world.publish(files, target=HEAD)
    assert told(world) == [HEAD]
    assert compared(world) == 0


def test_a_commit_with_the_same_workflow_files_is_released(world, files):
    world.publish(files, target=ASIDE)
    assert world.state.tags == {"tiny-v1": ASIDE}
    assert compared(world) == 2


def test_a_commit_whose_workflow_files_moved_is_refused_with_the_real_reason(world, files):
    with pytest.raises(PublishError, match="the workflow files are not those of main") as caught:
        world.publish(files, target=OLD)
    assert caught.value.exit_code == 6
    assert "`workflows`, which GITHUB_TOKEN never has" in caught.value.message
    assert "Resource not accessible by integration" in caught.value.message
    assert f"git push https://github.com/rehearsal/tiny {OLD}:refs/tags/tiny-v1" in str(
        caught.value.hint
    )
    assert not world.state.releases


def test_a_token_that_may_change_workflows_is_not_stopped(world, files):
    world.state.settings.may_change_workflows = True
    world.publish(files, target=OLD)
    assert world.state.tags == {"tiny-v1": OLD}


def test_where_the_tag_is_there_already_github_is_told_no_target(world, files):
    world.state.tags["tiny-v1"] = OLD
    world.publish(files, target=OLD)
    assert told(world) == ["main"]
    assert world.state.tags == {"tiny-v1": OLD}
    assert compared(world) == 0


def test_workflow_files_that_move_before_publishing_stop_it_there(world, files):
    world.publish(files, target=ASIDE, keep_draft=True)
    world.state.settings.workflows[ASIDE] = BEFORE
    with pytest.raises(PublishError, match="the workflow files are not those of main"):
        world.publish(files, target=ASIDE)
    [draft] = world.state.releases.values()
    assert draft.draft
    assert draft.tag == "tiny-v1"


def test_a_draft_for_an_old_commit_can_be_finished_at_the_head(world, files):
    world.publish(files, target=ASIDE, keep_draft=True)
    world.state.settings.workflows[ASIDE] = BEFORE
    world.publish(files, target=None)
    assert world.state.tags == {"tiny-v1": HEAD}


def test_another_refusal_keeps_its_own_reason(world, files):
    github = world.connect()
    ready = find_target(github, world.repo, "main", world.tag, ASIDE)
    world.state.settings.workflows[ASIDE] = BEFORE  # too late to be noticed
    with pytest.raises(PublishError, match="answered 403") as caught:
        world.publish(files, github, target=ASIDE, ready=ready)
    assert "workflow files" not in caught.value.message


def test_the_checks_beforehand_say_what_will_be_refused(world):
    github = world.connect()
    found = {
        item.name: item for item in check_publishable(github, world.repo, world.tag, target=OLD)
    }
    assert found["target"].verdict is Verdict.UNKNOWN
    assert "whose workflow files are not those of main" in found["target"].text
    assert "git push" in str(found["target"].hint)
    ready = check_ready(github, world.repo, world.tag, OLD)
    assert ready is not None
    assert ready.moved


def test_workflow_files_that_cannot_be_read_stop_nobody(make_world, files):
    world = make_world(commits={"main": HEAD, "aside": ASIDE})
    world.spoil("contents", "403", times=10)
    world.publish(files, target=ASIDE)
    assert world.state.tags == {"tiny-v1": ASIDE}


def test_a_target_that_is_not_there_and_a_tag_elsewhere_are_refused(world):
    github = world.connect()
    with pytest.raises(PublishError, match="no branch or commit"):
        find_target(github, world.repo, "main", world.tag, "nowhere")
    world.state.tags["tiny-v1"] = OLD
    with pytest.raises(ConflictError, match="stands at"):
        find_target(github, world.repo, "main", world.tag, HEAD)


def test_a_ruleset_that_forbids_the_tag_is_named(world, files):
    rules = Ruleset("tags", "tag", ("refs/tags/*",), ("creation",), exclude=("refs/tags/v*",))
    world.state.settings.rulesets.append(rules)
    with pytest.raises(PublishError, match="Cannot create ref due to creations being re") as caught:
        world.publish(files)
    assert "ruleset" in str(caught.value.hint)
    assert caught.value.exit_code == 6
    assert world.visible() is None
    world.state.tags["tiny-v1"] = HEAD  # somebody who may has pushed it
    world.publish(files)
    assert world.visible() is not None


@pytest.mark.parametrize(
    ("choice", "takes"), [(Latest.NO, False), (Latest.YES, True), (Latest.LEGACY, False)]
)
def test_an_older_release_of_the_software_stays_the_latest(world, files, choice, takes):
    """By `legacy` a version comes before what is none."""
    software = world.state.make_release({"tag_name": "v3.1.0", "make_latest": "true"})
    world.publish(files, latest=choice)
    assert (world.state.latest != software.id) == takes

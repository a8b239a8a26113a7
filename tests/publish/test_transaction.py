"""The transaction against the stand-in: whole or not there, and never anybody else's release."""

import contextlib
import threading
from typing import Any

import pytest

from release_tool.core.digest import Sha256
from release_tool.core.errors import (
    ConflictError,
    InputError,
    PublishError,
    ReleaseToolError,
    TryAgain,
)
from release_tool.core.names import Latest, Tag
from release_tool.core.progress import Silent
from release_tool.github.remote import DraftRelease, PublishedRelease
from release_tool.github.transaction import abort_draft
from release_tool.rehearsal.github.standin import Fault


def contents(files):
    return {name: path.read_bytes() for name, path in files.items()}


def make_foreign(world, **fields):
    """A draft as a person makes it."""
    document = {"tag_name": world.tag.name, "draft": True, "body": "by hand"} | fields
    return world.state.make_release(document)


def test_a_release_is_published_whole(world, files):
    published = world.publish(files)
    assert isinstance(published, PublishedRelease)
    assert not published.already
    assert world.visible() == contents(files)
    assert world.state.tags == {"tiny-v1": world.state.commits["main"]}
    (release,) = world.state.releases.values()
    assert (release.name, release.body.splitlines()[0]) == ("Tiny", "A tiny model")
    assert world.notes.bars["tiny.onnx"] == [files["tiny.onnx"].stat().st_size]


def test_publishing_the_same_bytes_again_says_so_and_changes_nothing(world, files):
    first = world.publish(files)
    before = len(world.stand_in.requests)
    second = world.publish(files)
    assert second.already
    assert second.id == first.id
    assert all(entry.method == "GET" for entry in world.stand_in.requests[before:])


def test_other_bytes_under_a_published_tag_are_a_conflict(world, files):
    world.publish(files)
    before = contents(files)
    files["tiny.onnx.sigstore.json"].write_bytes(b'{"bundle": 2}\n')
    with pytest.raises(ConflictError, match="has the digest sha256:"):
        world.publish(files)
    assert world.visible() == before


def test_a_surplus_or_missing_asset_of_a_published_release_is_a_conflict(world, files):
    world.publish(files)
    fewer = dict(list(files.items())[:2])
    with pytest.raises(ConflictError, match=r"tiny\.onnx\.sigstore\.json is not ours"):
        world.publish(fewer)
    more = {**files, "extra.txt": files["tiny.onnx"]}
    with pytest.raises(ConflictError, match=r"extra\.txt is missing"):
        world.publish(more)


def test_a_kept_draft_is_complete_and_invisible_and_is_published_later(world, files):
    kept = world.publish(files, keep_draft=True)
    assert isinstance(kept, DraftRelease)
    assert world.visible() is None
    before = len(world.stand_in.requests)
    published = world.publish(files)
    assert published.id == kept.id
    assert "upload" not in world.kinds()[before:]
    assert "resuming a draft that holds 3 of 3 assets" in world.notes.text


def test_the_text_that_a_person_polished_in_a_kept_draft_stays(world, files):
    kept = world.publish(files, keep_draft=True)
    draft = world.state.releases[kept.id]
    draft.body = draft.body.replace("A tiny model", "A polished text")
    world.publish(files)
    assert world.state.releases[kept.id].body.startswith("A polished text")


def test_a_draft_made_by_a_person_is_never_touched(world, files):
    draft = make_foreign(world)
    with pytest.raises(ConflictError, match="somebody has made a draft"):
        world.publish(files)
    assert world.state.releases == {draft.id: draft}
    assert not abort_draft(world.connect(), world.repo, world.tag)
    assert world.state.releases == {draft.id: draft}


def test_drafts_of_other_tags_are_left_alone(world, files):
    other = make_foreign(world, tag_name="other-v1")
    world.publish(files)
    assert other.id in world.state.releases


def test_a_draft_of_ours_with_another_manifest_is_refused_with_the_way_out(world, files):
    world.publish(files, keep_draft=True)
    files["tiny.manifest.json"].write_bytes(b'{"schema": "other"}\n')
    with pytest.raises(ConflictError, match="another manifest") as caught:
        world.publish(files)
    assert "release-tool abort" in str(caught.value.hint)
    assert abort_draft(world.connect(), world.repo, world.tag)
    assert not world.publish(files).already


def test_a_draft_that_was_signed_anew_is_superseded_and_goes_after_publishing(world, files):
    old = world.publish(files, keep_draft=True)
    files["tiny.onnx.sigstore.json"].write_bytes(b'{"bundle": 2}\n')
    new = world.publish(files)
    assert new.id != old.id
    assert set(world.state.releases) == {new.id}
    order = [kind for kind in world.kinds() if kind in {"publish", "remove-release"}]
    assert order == ["publish", "remove-release"]


def test_a_draft_of_another_manifest_stays_after_publishing(world, files):
    published = world.publish(files)
    manifest = str(Sha256.of_file(files["tiny.manifest.json"]))
    body = world.state.releases[published.id].body
    assert manifest in body
    ours, others = (
        make_foreign(world, body=text)
        for text in (body, body.replace(manifest, f"sha256:{'1' * 64}"))
    )
    assert world.publish(files).already
    assert set(world.state.releases) == {published.id, others.id}
    assert ours.id not in world.state.releases


def test_of_two_drafts_with_the_same_contents_the_oldest_is_taken(make_world, files):
    world = make_world(list_lag=1000)  # the second run does not see the first one's draft
    first = world.publish(files, keep_draft=True)
    second = world.publish(files, keep_draft=True)
    assert first.id != second.id
    for release in world.state.releases.values():
        release.hidden = 0
    published = world.publish(files)
    assert published.id == first.id
    assert set(world.state.releases) == {first.id}


def test_a_draft_whose_tag_github_lost_is_found_and_repaired(world, files):
    kept = world.publish(files, keep_draft=True)
    world.state.change_release(world.state.releases[kept.id], {"name": "edited elsewhere"})
    assert world.state.releases[kept.id].tag.startswith("untagged-")
    published = world.publish(files)
    assert published.id == kept.id
    assert world.visible() == contents(files)
    assert "edit" in world.kinds()


def test_a_draft_of_ours_that_a_person_moved_to_another_tag_is_theirs(world, files):
    kept = world.publish(files, keep_draft=True)
    world.state.releases[kept.id].tag = "hand-picked"
    published = world.publish(files)
    assert published.id != kept.id
    assert world.state.releases[kept.id].draft


def test_a_new_draft_that_the_list_does_not_show_yet_is_used_by_its_id(make_world, files):
    world = make_world(list_lag=1000)
    world.publish(files)
    assert world.visible() == contents(files)
    assert world.kinds().count("make-draft") == 1


def test_a_draft_whose_answer_was_lost_is_found_again(make_world, files):
    world = make_world(faults=[Fault.parse("make-draft:lost")], list_lag=2)
    world.publish(files)
    assert world.kinds().count("make-draft") == 1
    assert len(world.state.releases) == 1


def test_a_draft_made_twice_because_the_list_lags_goes_after_publishing(make_world, files):
    world = make_world(faults=[Fault.parse("make-draft:lost")], list_lag=4)
    world.publish(files)
    assert world.kinds().count("make-draft") == 2
    assert len(world.state.releases) == 1
    assert world.visible() == contents(files)


def test_a_draft_that_shows_up_still_later_goes_with_the_next_run(make_world, files):
    world = make_world(faults=[Fault.parse("make-draft:lost")], list_lag=6)
    world.publish(files)
    assert len(world.state.releases) == 2
    assert world.visible() == contents(files)  # this listing is the sixth
    assert world.publish(files).already
    assert len(world.state.releases) == 1
    assert world.visible() == contents(files)


def test_an_asset_that_a_person_added_to_our_draft_is_a_conflict(world, files):
    kept = world.publish(files, keep_draft=True)
    draft = world.state.releases[kept.id]
    asset = world.state.start_asset(draft, "notes.pdf", "application/pdf")
    asset.path.write_bytes(b"notes")
    world.state.finish_asset(draft, asset, 5, Sha256.of_bytes(b"notes").hex)
    with pytest.raises(ConflictError, match=r"not ours: notes\.pdf"):
        world.publish(files)
    assert world.visible() is None
    assert abort_draft(world.connect(), world.repo, world.tag)


def test_a_zombie_of_a_dead_run_is_removed_at_once(world, files):
    kept = world.publish(files, keep_draft=True)
    draft = world.state.releases[kept.id]
    asset = next(iter(draft.assets.values()))
    asset.state, asset.digest, asset.created_at = "starter", None, "2020-01-01T00:00:00Z"
    world.publish(files)
    assert world.visible() == contents(files)
    assert not world.naps


def test_what_may_be_another_runs_upload_is_given_time(world, files):
    kept = world.publish(files, keep_draft=True)
    asset = next(iter(world.state.releases[kept.id].assets.values()))
    digest, asset.digest, asset.state = asset.digest, None, "starter"

    def finish(_seconds):
        asset.state, asset.digest = "uploaded", digest

    world.publish(files, world.connect(sleep=finish))
    assert "may be another run's upload" in world.notes.text
    assert "remove-asset" not in world.kinds()


def test_a_recent_zombie_is_removed_after_the_time_that_an_upload_takes(world, files):
    kept = world.publish(files, keep_draft=True)
    asset = next(iter(world.state.releases[kept.id].assets.values()))
    asset.state, asset.digest = "starter", None
    world.publish(files)
    assert world.visible() == contents(files)
    assert 10 < sum(world.naps) < 20


def test_a_published_tag_stays_published_when_the_draft_list_cannot_be_cleared(make_world, files):
    world = make_world()
    world.publish(files, keep_draft=True)
    files["tiny.onnx.sigstore.json"].write_bytes(b'{"bundle": 2}\n')
    world.stand_in.faults.append(Fault.parse("remove-release:403"))
    assert not world.publish(files).already
    assert "stays:" in world.notes.text


def test_a_tag_that_an_immutable_release_used_is_burnt(make_world, files):
    world = make_world(immutable=True)
    first = world.publish(files)
    assert world.state.releases[first.id].immutable
    world.state.remove_release(world.state.releases[first.id])
    with pytest.raises(ConflictError, match="used by an immutable release"):
        world.publish(files)
    assert world.visible() is None


def test_an_immutable_release_is_already_published_the_second_time(make_world, files):
    world = make_world(immutable=True)
    world.publish(files)
    assert world.publish(files).already


def test_a_git_tag_at_another_commit_is_a_conflict_before_anything_is_made(world, files):
    world.state.tags["tiny-v1"] = "ab" * 20
    with pytest.raises(ConflictError, match="stands at abab"):
        world.publish(files)
    assert not world.state.releases


def test_a_git_tag_at_the_same_commit_is_used(world, files):
    world.state.tags["tiny-v1"] = world.state.commits["main"]
    world.publish(files)
    assert world.visible() == contents(files)


def test_without_a_target_the_default_branch_is_released(world, files):
    world.publish(files, target=None)
    assert world.state.tags["tiny-v1"] == world.state.commits["main"]


def test_a_target_that_is_not_there_is_refused_before_anything_is_made(world, files):
    with pytest.raises(PublishError, match="has no branch or commit 'nowhere'"):
        world.publish(files, target="nowhere")
    assert not world.state.releases


def test_a_git_tag_that_moves_while_publishing_is_said(make_world, files):
    def move(moment, entry):
        if moment == "received" and entry.kind == "publish":
            world.state.tags["tiny-v1"] = "cd" * 20

    world = make_world(watch=move)
    with pytest.raises(ConflictError, match="was published at cdcd"):
        world.publish(files)


@pytest.mark.parametrize(("choice", "latest"), [(None, 1), (Latest.NO, 0), (Latest.YES, 1)])
def test_the_latest_release_is_a_choice(world, files, choice, latest):
    world.publish(files, latest=choice)
    assert bool(world.state.latest) == bool(latest)


def release_software(world):
    """Publish a release that is not this tool's."""
    github = world.connect()
    options = {"target": "main", "title": "Software", "body": "Notes."}
    draft = github.send_draft(world.repo, Tag("v1.2.3"), **options)
    github.send_publication(world.repo, draft, Tag("v1.2.3"), target="main", latest=Latest.YES)
    return draft.id


def test_a_model_does_not_take_the_place_of_the_softwares_latest_release(world, files):
    software = release_software(world)
    world.publish(files)
    assert world.state.latest == software
    assert any("releases other things too" in line for line in world.notes.lines)


def test_a_model_becomes_the_latest_release_beside_others_where_that_is_asked_for(world, files):
    software = release_software(world)
    world.publish(files, latest=Latest.YES)
    assert world.state.latest != software


def test_a_second_model_becomes_the_latest_release_where_there_are_models_only(world, files):
    world.publish(files)
    first = world.state.latest
    world.tag = Tag("tiny-v2")
    world.publish(files)
    assert world.state.latest not in {None, first}


def test_a_file_removed_before_its_upload_ends_with_nothing_visible(make_world, files):
    def remove(moment, entry):
        if moment == "received" and entry.kind == "make-draft":
            files["tiny.onnx.sigstore.json"].unlink()

    world = make_world(watch=remove)
    before = contents(files)
    with pytest.raises(PublishError, match="changed or removed"):
        world.publish(files)
    assert world.visible() is None
    files["tiny.onnx.sigstore.json"].write_bytes(before["tiny.onnx.sigstore.json"])
    world.publish(files)
    assert world.visible() == before


def flip_the_last_byte(path):
    path.write_bytes(path.read_bytes()[:-1] + b"!")


def cut_it_short(path):
    path.write_bytes(path.read_bytes()[:-1])


def make_it_longer(path):
    path.write_bytes(path.read_bytes() + b"!")


def remove_it(path):
    path.unlink()


def put_another_in_its_place(path):
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)


@pytest.mark.parametrize(
    "spoil",
    [flip_the_last_byte, cut_it_short, make_it_longer, remove_it, put_another_in_its_place],
)
def test_a_file_spoiled_in_the_middle_of_its_upload_never_becomes_an_asset(world, files, spoil):
    """Spoiled when its first chunk is on the way, and the second has not been read."""
    path = files["tiny.onnx"]
    before = contents(files)
    spoiled: list[int] = []

    class Listener(Silent):
        @contextlib.contextmanager
        def bar(self, name, total):
            def advance(count):
                if name == "tiny.onnx" and not spoiled:
                    spoiled.append(count)
                    spoil(path)

            yield advance

    with pytest.raises(PublishError, match="changed or removed") as caught:
        world.publish(files, world.connect(progress=Listener()))
    assert caught.value.exit_code == 6
    assert spoiled == [256 * 1024]
    assert world.visible() is None
    path.write_bytes(before["tiny.onnx"])
    world.publish(files)
    assert world.visible() == before


def test_files_that_no_release_can_hold_are_refused_before_the_first_request(
    world, files, tmp_path
):
    empty = tmp_path / "empty"
    empty.touch()
    huge = tmp_path / "huge"
    with huge.open("wb") as stream:
        stream.truncate(2 * 1024**3)
    for wrong in (
        {**files, "empty.txt": empty},
        {**files, "bad name.txt": files["tiny.onnx"]},
        {**files, "TINY.onnx": files["tiny.onnx"]},
        {"tiny.onnx": files["tiny.onnx"]},
        {**files, "gone": tmp_path / "gone"},
    ):
        with pytest.raises(InputError):
            world.publish(wrong)
    assert not world.stand_in.requests


def test_a_text_with_a_marker_of_its_own_is_refused(world, files):
    with pytest.raises(InputError, match="holds a marker"):
        world.publish(files, body="<!-- release-tool tag=x -->")


def test_an_asset_that_stays_wrong_ends_with_nothing_visible(make_world, files):
    world = make_world(faults=[Fault.parse("upload:wrong-digest:1:1000")])
    with pytest.raises(PublishError, match="stays wrong: its digest is sha256:0000"):
        world.publish(files)
    assert world.visible() is None


def test_an_asset_that_is_always_renamed_ends_with_nothing_visible(make_world, files):
    world = make_world(faults=[Fault.parse("upload:renamed:1:1000")])
    with pytest.raises(PublishError, match="GitHub changed its name"):
        world.publish(files)
    assert world.visible() is None
    world.stand_in.faults.clear()
    world.publish(files)
    assert world.visible() == contents(files)


def test_a_published_release_without_digests_is_downloaded_and_compared(make_world, files):
    world = make_world(faults=[Fault.parse("upload:null-digest:1:1000")])
    world.publish(files)
    assert world.kinds().count("content") >= 3
    assert world.publish(files).already


def test_a_lost_answer_to_the_publication_is_read_back(make_world, files):
    world = make_world(faults=[Fault.parse("publish:lost")])
    assert not world.publish(files).already
    assert world.kinds().count("publish") == 1


def test_a_refusal_of_what_was_done_all_the_same_is_read_back(make_world, files):
    """GitHub's own proxy asked twice, and the second answer came through."""

    def publish_first(moment, entry):
        if (moment, entry.kind) == ("received", "publish"):
            world.state.publish(next(iter(world.state.releases.values())), {})

    world = make_world(faults=[Fault.parse("publish:409")], watch=publish_first)
    assert not world.publish(files).already
    assert world.visible() == contents(files)


def hide_after_publishing(world_of, tag=None):
    def hide(moment, entry):
        if moment == "performed" and entry.kind == "publish":
            for release in world_of().state.releases.values():
                release.hidden = 1000
                release.tag = tag or release.tag

    return hide


def test_a_published_release_that_stays_hidden_means_try_again(make_world, files):
    fault = Fault.parse("release-by-tag:404:2:1000")
    world: Any = make_world(faults=[fault], watch=hide_after_publishing(lambda: world))
    with pytest.raises(TryAgain, match="tiny-v1 may or may not have been published"):
        world.publish(files)
    assert sum(world.naps) < 60
    world.stand_in.faults.clear()
    assert world.publish(files).already


def test_a_published_release_that_is_hidden_for_a_moment_is_waited_for(make_world, files):
    fault = Fault.parse("release-by-tag:404:2:3")
    world: Any = make_world(faults=[fault], watch=hide_after_publishing(lambda: world))
    assert not world.publish(files).already
    next(iter(world.state.releases.values())).hidden = 0
    assert world.visible() == contents(files)


def test_a_release_published_under_another_tag_is_said_at_once(make_world, files):
    world: Any = make_world(watch=hide_after_publishing(lambda: world, "untagged-1"))
    with pytest.raises(ConflictError, match="under the tag untagged-1"):
        world.publish(files)


def test_two_runs_at_once_make_one_release(make_world, files):
    world = make_world()
    results, barrier = [], threading.Barrier(2)

    def run():
        github = world.connect()
        barrier.wait()
        try:
            results.append(world.publish(files, github))
        except ReleaseToolError as error:
            results.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(isinstance(result, PublishedRelease) for result in results), results
    assert len({result.id for result in results}) == 1
    assert len(world.state.releases) == 1
    assert world.visible() == contents(files)


@pytest.mark.parametrize("immutable", [False, True])
def test_a_run_that_is_overtaken_right_before_publishing_ends_well(make_world, files, immutable):
    """The second run goes from start to end while the first one's order to publish is held."""
    others: list[Any] = []

    def overtake(moment, entry):
        if (moment, entry.kind) == ("received", "publish") and not others:
            others.append(None)
            others.append(world.publish(files))

    world = make_world(immutable=immutable, watch=overtake)
    first = world.publish(files)
    assert others[1].id == first.id
    assert len(world.state.releases) == 1
    assert world.visible() == contents(files)


def test_a_run_that_signed_apart_and_comes_second_is_told_and_leaves_no_draft(
    make_world, files, tmp_path
):
    """Both runs have the same manifest, but each has made its own bundle."""
    mine = tmp_path / "mine.json"
    mine.write_bytes(b'{"bundle": 2}\n')
    others: list[Any] = []

    def overtake(moment, entry):
        if (moment, entry.kind) == ("received", "publish") and not others:
            others.append(None)
            others.append(world.publish(files))

    world = make_world(watch=overtake)
    with pytest.raises(ConflictError, match=r"sigstore\.json has the"):
        world.publish({**files, "tiny.onnx.sigstore.json": mine})
    assert isinstance(others[1], PublishedRelease)
    assert len(world.state.releases) == 1
    assert world.visible() == contents(files)


def test_a_draft_that_vanishes_under_a_run_is_made_anew(make_world, files):
    def vanish(moment, entry):
        if (moment, entry.kind) == ("received", "upload") and len(world.state.tags) == 0:
            world.state.tags["gone"] = "ab" * 20
            world.state.releases.clear()

    world = make_world(watch=vanish)
    world.publish(files)
    assert world.visible() == contents(files)


def test_drafts_that_keep_vanishing_are_given_up(make_world, files):
    def vanish(moment, entry):
        if (moment, entry.kind) == ("performed", "make-draft"):
            world.state.releases.clear()

    world = make_world(watch=vanish)
    with pytest.raises(TryAgain, match="keep vanishing"):
        world.publish(files)
    assert world.kinds().count("make-draft") == 4


def test_an_asset_that_is_repaired_while_a_run_looks_away_is_left_alone(make_world, files):
    world = make_world()
    draft = world.state.releases[world.publish(files, keep_draft=True).id]
    asset = next(iter(draft.assets.values()))
    right, asset.digest = asset.digest, f"sha256:{'1' * 64}"
    looks: list[object] = []

    def repair(moment, entry):
        if (moment, entry.kind) == ("performed", "assets"):
            looks.append(entry)
            asset.digest = right

    world.stand_in.watch = repair
    world.publish(files)
    assert looks
    assert "remove-asset" not in world.kinds()


def test_a_draft_published_by_another_run_is_not_touched_by_a_removal(make_world, files):
    """What looked like a bad asset of a draft belongs to a published release by now."""
    world = make_world()
    draft = world.state.releases[world.publish(files, keep_draft=True).id]
    asset = next(iter(draft.assets.values()))
    right, asset.digest = asset.digest, f"sha256:{'1' * 64}"
    looks: list[object] = []

    def publish(moment, entry):
        if (moment, entry.kind) == ("performed", "assets") and not looks:
            looks.append(entry)
            asset.digest = right
            world.state.publish(draft, {})

    world.stand_in.watch = publish
    assert world.publish(files).already
    assert "remove-asset" not in world.kinds()


def test_a_run_that_never_comes_to_rest_ends(make_world, files):
    """Another program keeps breaking the draft's tag."""

    def spoil(moment, entry):
        if (moment, entry.kind) == ("performed", "edit"):
            next(iter(world.state.releases.values())).tag = "untagged-0"

    world = make_world(watch=spoil)
    kept = world.publish(files, keep_draft=True)
    world.state.releases[kept.id].tag = "untagged-0"
    with pytest.raises(TryAgain, match="does not come to rest"):
        world.publish(files)
    assert world.visible() is None


def test_abort_removes_our_draft_and_nothing_else(world, files):
    kept = world.publish(files, keep_draft=True)
    other = make_foreign(world, tag_name="other")
    github = world.connect()
    assert not abort_draft(github, world.repo, Tag.parse("tiny-v2"))
    assert kept.id in world.state.releases
    assert abort_draft(github, world.repo, world.tag)
    assert set(world.state.releases) == {other.id}
    assert not abort_draft(github, world.repo, world.tag)


def test_abort_leaves_a_draft_alone_that_is_published_under_its_hands(world, files):
    """It was a draft in the list, and is one no more when abort looks at it again."""
    kept = world.publish(files, keep_draft=True)

    def publish(moment, entry):
        if (moment, entry.kind) == ("received", "release"):
            with world.state.lock:
                world.state.publish(world.state.releases[kept.id], {})

    github = world.connect()
    world.stand_in.watch = publish
    assert not abort_draft(github, world.repo, world.tag)
    world.stand_in.watch = None
    assert world.visible() == contents(files)


def test_abort_leaves_a_published_release_alone(world, files):
    world.publish(files)
    assert not abort_draft(world.connect(), world.repo, world.tag)
    assert world.visible() == contents(files)

"""The preflight: each check of the list, good and bad, and that it changes nothing."""

import os
import time

import pytest

from release_tool.chain.signed import open_signed
from release_tool.chain.upload import upload_release
from release_tool.core.errors import ConflictError, InputError, PublishError
from release_tool.core.names import RepoSlug
from release_tool.github.finding import Verdict
from release_tool.github.preflight import check_publishable, describe_clock
from release_tool.github.transaction import abort_draft
from release_tool.rehearsal.github.standin import Fault
from tests.examples import STANDIN

MANIFEST = "tiny.manifest.json"


def look(world, files=None, github=None, **options):
    github = github or world.connect()
    before = {number: release.draft for number, release in world.state.releases.items()}
    found = check_publishable(
        github, world.repo, world.tag, files, manifest_name=MANIFEST if files else None, **options
    )
    assert {number: item.draft for number, item in world.state.releases.items()} == before
    return {finding.name: finding for finding in found}


NAMES = (
    "asset names", "asset sizes", "token", "repository",
    "target", "tag", "drafts", "immutable releases", "clock",
)  # fmt: skip


def test_a_free_tag_and_a_good_token_pass_every_check(make_world, files):
    world = make_world(immutable=True)
    found = look(world, files, target="main")
    assert tuple(found) == NAMES
    assert {finding.verdict for finding in found.values()} == {Verdict.OK}
    assert found["tag"].text == "no release of tiny-v1 is published"
    assert found["drafts"].text == "there is none for tiny-v1"
    assert found["immutable releases"].text.startswith("on:")


def test_without_files_and_target_less_is_known(world):
    found = look(world)
    assert tuple(found) == NAMES
    for name in ("asset names", "asset sizes", "target", "immutable releases"):
        assert found[name].verdict is Verdict.UNKNOWN
    assert "--target" in str(found["target"].hint)


def test_without_a_token_every_line_is_there_and_nothing_is_asked(world, files):
    found = look(world, files, github=world.connect(token=None))
    assert tuple(found) == NAMES
    assert found["token"].verdict is Verdict.FAILED
    assert isinstance(found["token"].error, PublishError)
    assert "GH_TOKEN" in str(found["token"].hint)
    for name in ("target", "tag", "drafts", "immutable releases", "clock"):
        assert found[name].verdict is Verdict.UNKNOWN
    assert found["tag"].text == "not asked: there is no GitHub token"
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


@pytest.mark.parametrize(("scopes", "told"), [("gist, read:org", "gist, read:org"), ("", "none")])
def test_a_classic_token_without_the_scope_is_refused(world, files, scopes, told):
    world.state.scopes = scopes
    found = look(world, files)["repository"]
    assert found.text == f"the token may not push to rehearsal/tiny: its scopes are {told}"
    assert "scope repo" in str(found.hint)
    with pytest.raises(PublishError, match="its scopes are") as caught:
        world.publish(files)
    assert caught.value.exit_code == 6
    assert not world.state.releases


@pytest.mark.parametrize("scopes", ["gist, repo", "public_repo", None])
def test_a_classic_token_with_the_scope_may_push(world, scopes):
    world.state.scopes = scopes
    assert look(world)["repository"].verdict is Verdict.OK


@pytest.mark.parametrize("scopes", ["", None])
def test_of_a_fine_grained_token_only_the_attempt_tells(make_world, files, scopes):
    token = "github_pat_11AVERYSECRET_token"
    world = make_world(token=token)
    world.state.scopes = scopes
    found = look(world, files, github=world.connect(token=token))["repository"]
    assert (found.verdict, found.error) == (Verdict.UNKNOWN, None)
    assert "only trying tells whether the token may push" in found.text
    assert "permission" in str(found.hint)
    assert not world.publish(files, world.connect(token=token)).already


def test_a_wrong_token_is_refused(world, files):
    with pytest.raises(PublishError, match="401, Bad credentials") as caught:
        world.publish(files, world.connect(token="ghp_wrong"))
    assert caught.value.exit_code == 6
    assert "expired, revoked or mistyped" in str(caught.value.hint)


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


@pytest.mark.parametrize(
    ("name", "size", "check", "said"),
    [
        ("empty", 0, "asset sizes", "has 0 bytes"),
        ("huge", 2 * 1024**3, "asset sizes", "has 2147483648 bytes"),
        ("a b", 1, "asset names", "GitHub would change the asset name 'a b'"),
        (".a", 1, "asset names", "GitHub would change"),
        ("TINY.onnx", 1, "asset names", "capital letters"),
    ],
)
def test_files_that_cannot_be_assets_are_found(world, files, tmp_path, name, size, check, said):
    path = tmp_path / name
    path.touch()
    os.truncate(path, size)
    found = look(world, {**files, name: path})
    assert said in found[check].text
    assert isinstance(found[check].error, InputError)
    assert [item.name for item in found.values() if item.error] == [check]
    assert found["tag"].verdict is Verdict.OK


def test_a_file_that_cannot_be_read_is_found(world, files, tmp_path):
    found = look(world, {**files, "gone": tmp_path / "gone"})
    assert found["asset sizes"].text.startswith("cannot read")


def test_a_file_that_goes_between_two_checks_is_found(world, files, tmp_path):
    github = world.connect()

    def spoil(repo):
        files["tiny.onnx"].unlink(missing_ok=True)
        return type(github).fetch_repository(github, repo)

    github.fetch_repository = spoil
    found = look(world, files, github=github)
    assert found["tag"].text.startswith("cannot read")
    assert found["drafts"].verdict is Verdict.UNKNOWN


def test_a_target_that_is_not_there_is_found(world):
    assert look(world, target="nowhere")["target"].verdict is Verdict.FAILED


def test_what_the_tag_holds_is_told(world, files):
    world.publish(files, keep_draft=True)
    assert look(world, files)["drafts"].text.endswith("with this manifest: one will be resumed")
    without = look(world)["drafts"]
    assert (without.verdict, without.text[:17]) == (Verdict.UNKNOWN, "1 draft of ours f")
    assert "release-tool abort" in str(without.hint)
    world.publish(files)
    assert look(world, files)["tag"].text.endswith("with these assets")
    assert look(world)["tag"].verdict is Verdict.UNKNOWN
    assert look(world)["drafts"].text.endswith("no draft of ours is left over")
    files["tiny.onnx"].write_bytes(b"other")
    assert isinstance(look(world, files)["tag"].error, ConflictError)


def test_before_signing_only_the_files_at_hand_are_compared(world, files):
    world.publish(files)
    unsigned = {name: path for name, path in files.items() if "sigstore" not in name}
    assert look(world, unsigned, whole=False)["tag"].text.endswith("with these files")
    assert isinstance(look(world, unsigned)["tag"].error, ConflictError)
    files["tiny.onnx"].write_bytes(b"other")
    assert isinstance(look(world, unsigned, whole=False)["tag"].error, ConflictError)


def test_a_published_release_without_digests_is_not_said_to_be_the_same(world, files):
    world.publish(files)
    for release in world.state.releases.values():
        for asset in release.assets.values():
            asset.digest = None
    found = look(world, files)["tag"]
    assert found.verdict is Verdict.UNKNOWN
    assert "does not state the digest" in found.text


def test_a_draft_of_a_previous_version_is_in_the_way_and_abort_is_the_advice(world, files):
    world.publish(files, keep_draft=True)
    files[MANIFEST].write_bytes(b"another")
    found = look(world, files)["drafts"]
    assert isinstance(found.error, ConflictError)
    assert "a draft of tiny-v1 with another manifest is there" in found.text
    assert "release-tool abort" in str(found.hint)


def test_several_drafts_of_one_tag_are_counted(world, files):
    world.publish(files, keep_draft=True)
    [draft] = world.state.releases.values()
    body = {"tag_name": "tiny-v1", "draft": True, "body": draft.body}
    world.state.make_release(body)
    text = look(world, files)["drafts"].text
    assert text.startswith("2 drafts of ours for tiny-v1 there, with this manifest: one will be")
    assert text.endswith("what is left over is removed after publishing")
    files["tiny.onnx.sigstore.json"].write_bytes(b"signed otherwise")
    assert "signed otherwise; what is left over" in look(world, files)["drafts"].text
    world.state.make_release({"tag_name": "tiny-v1", "draft": True})
    for given in (files, None):
        found = look(world, given)["drafts"]
        assert isinstance(found.error, ConflictError)
        assert found.text.endswith("it is one of 3 drafts of that tag")


def test_a_draft_that_is_left_over_after_publishing_is_told(world, files):
    world.publish(files)
    [release] = world.state.releases.values()
    world.state.make_release({"tag_name": "tiny-v1", "draft": True, "body": release.body})
    found = look(world, files)["drafts"]
    assert (found.verdict, found.error) == (Verdict.UNKNOWN, None)
    assert "release-tool abort" in str(found.hint)


def test_a_persons_draft_is_found_with_and_without_files(world, files):
    world.state.make_release({"tag_name": "tiny-v1", "draft": True})
    assert isinstance(look(world, files)["drafts"].error, ConflictError)
    assert isinstance(look(world)["drafts"].error, ConflictError)


def test_the_immutable_setting_may_be_off(world):
    github = world.connect()
    github.fetch_immutable_setting = lambda repo: False
    assert look(world, github=github)["immutable releases"].text.startswith("off:")


@pytest.mark.parametrize("fault", ["401", "409", "422", "429", "500", "html"])
def test_a_setting_that_cannot_be_read_is_unknown_and_stops_nobody(make_world, files, fault):
    world = make_world(faults=[Fault.parse(f"immutable:{fault}:1:1000")])
    found = look(world, files)
    assert found["immutable releases"].verdict is Verdict.UNKNOWN
    assert found["immutable releases"].text.startswith("not known: ")
    assert [item for item in found.values() if item.error] == []


def test_nothing_is_uploaded_with_a_wrong_clock(world, signed):
    target = world.target(signed, clock=lambda: time.time() + 4000)
    root, signer = signed.instance.trusted_root, signed.identity.signer
    opened = open_signed(signed.directory, STANDIN, signer, root)
    with pytest.raises(PublishError, match="s ahead of GitHub") as caught:
        upload_release(opened, STANDIN, target, signer, root)
    assert caught.value.exit_code == 6
    assert {entry.method for entry in world.stand_in.requests} == {"GET"}


@pytest.mark.parametrize(("ahead", "word"), [(4000, "ahead of"), (-4000, "behind")])
def test_a_wrong_clock_is_found(world, ahead, word):
    github = world.connect(clock=lambda: time.time() + ahead)
    finding = look(world, github=github)["clock"]
    assert finding.verdict is Verdict.FAILED
    assert word in finding.text


def test_answers_without_a_date_leave_the_clock_unknown(world):
    assert describe_clock(world.connect()).verdict is Verdict.UNKNOWN


def test_one_failing_check_does_not_hide_the_others(make_world):
    world = make_world(faults=[Fault.parse("commit:500:1:1000")])
    found = look(world)
    assert found["target"].verdict is Verdict.FAILED
    assert found["tag"].verdict is Verdict.OK

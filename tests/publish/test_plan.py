"""The plan as a pure function: laws that hold for any state of the server."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_tool.core.artifact import Artifact
from release_tool.core.errors import ConflictError, InputError
from release_tool.core.names import Tag
from release_tool.github.marker import Marker
from release_tool.github.plan import (
    MakeDraft,
    MeasureAsset,
    Publish,
    RemoveAsset,
    RemoveDraft,
    RestoreTag,
    ServerState,
    UploadAsset,
    Wanted,
    plan_release,
)
from release_tool.github.remote import RemoteAsset, RemoteRelease

TAG = Tag("v1")
ARTIFACTS = tuple(Artifact.of_bytes(name, name.encode()) for name in ("m.json", "a.onnx", "b.txt"))
WANTED = Wanted(TAG, ARTIFACTS, "m.json")
OTHER_BYTES = Artifact.of_bytes("x", b"other").digest


def release(number, *, tag="v1", draft=True, body=None, assets=()):
    text = WANTED.marker.append_to("text") if body is None else body
    return RemoteRelease(number, tag, "main", draft, False, text, "url", "upload", tuple(assets))


def remote(artifact, number=1, *, state="uploaded", digest="same", name=None):
    found = artifact.digest if digest == "same" else digest
    return RemoteAsset(number, name or artifact.name, state, artifact.size, found, 0.0)


def whole():
    return [remote(artifact, number) for number, artifact in enumerate(ARTIFACTS)]


def simulate(step, state):
    """Do to a state what a step does on a server that obeys."""
    drafts = {draft.id: draft for draft in state.drafts}
    published, measured = state.published, dict(state.measured)

    def put(changed, **fields):
        drafts[changed.id] = replace(changed, **fields)

    match step:
        case MakeDraft():
            drafts[99] = release(99)
        case RestoreTag(draft):
            put(drafts[draft.id], tag="v1")
        case RemoveAsset(draft, asset):
            now = drafts[draft.id]
            put(now, assets=tuple(item for item in now.assets if item.id != asset.id))
        case MeasureAsset(asset):
            measured[asset.id] = {item.name: item.digest for item in ARTIFACTS}.get(
                asset.name, OTHER_BYTES
            )
        case UploadAsset(draft, artifact):
            now = drafts[draft.id]
            put(now, assets=(*now.assets, remote(artifact, 1000 + len(now.assets))))
        case Publish(draft):
            published = replace(drafts.pop(draft.id), draft=False)
        case RemoveDraft(draft):
            del drafts[draft.id]
    return ServerState(published, tuple(drafts.values()), measured, state.held)


states = st.sampled_from(["uploaded", "starter", "open"])
digests = st.sampled_from(["same", None, OTHER_BYTES])
some_assets = st.lists(
    st.builds(
        lambda artifact, number, state, digest: remote(
            artifact, number, state=state, digest=digest
        ),
        st.sampled_from(ARTIFACTS),
        st.integers(0, 50),
        states,
        digests,
    ),
    unique_by=(lambda asset: asset.name, lambda asset: asset.id),
)
some_drafts = st.lists(
    st.builds(
        lambda number, tag, assets: release(number, tag=tag, assets=assets),
        st.integers(1, 90),
        st.sampled_from(["v1", "untagged-0"]),
        some_assets,
    ),
    max_size=3,
    unique_by=lambda draft: draft.id,
)


@given(some_drafts)
def test_from_any_drafts_of_ours_the_plan_comes_to_rest_with_one_whole_release(drafts):
    state = ServerState(drafts=tuple(drafts))
    steps = []
    for _ in range(30):
        plan = plan_release(WANTED, state)
        for step in plan.steps:
            if isinstance(step, Publish):
                known = {state.digest_of(asset) for asset in step.draft.assets}
                assert known == {artifact.digest for artifact in ARTIFACTS}
                assert step.draft.tag == "v1"
            state = simulate(step, state)
            steps.append(step)
        if plan.done is not None:
            break
    assert plan.done is not None
    assert not state.drafts
    assert sum(isinstance(step, Publish) for step in steps) == 1
    first = next(index for index, step in enumerate(steps) if isinstance(step, Publish))
    assert not any(isinstance(step, RemoveDraft) for step in steps[:first])


@given(some_drafts, some_assets)
def test_a_published_release_is_never_touched(drafts, assets):
    published = release(200, draft=False, assets=assets)
    try:
        plan = plan_release(WANTED, ServerState(published, tuple(drafts)))
    except ConflictError:
        return
    for step in plan.steps:
        assert isinstance(step, MeasureAsset | RemoveDraft)
        if isinstance(step, RemoveDraft):
            assert step.draft.draft


@given(st.text(max_size=40), st.sampled_from(["v1", "v2", "untagged-1"]))
def test_a_draft_without_our_marker_gets_no_step(body, tag):
    foreign = release(3, tag=tag, body=body)
    state = ServerState(drafts=(foreign,))
    if tag == "v1":
        with pytest.raises(ConflictError, match="somebody has made a draft"):
            plan_release(WANTED, state)
    else:
        assert plan_release(WANTED, state).steps == (MakeDraft(),)


def test_nothing_there_means_a_draft():
    assert plan_release(WANTED, ServerState()).steps == (MakeDraft(),)


def test_the_held_draft_is_kept_and_otherwise_the_oldest_is_taken():
    drafts = (release(5, assets=whole()), release(4, assets=whole()))
    assert plan_release(WANTED, ServerState(drafts=drafts)).steps == (Publish(drafts[1]),)
    held = ServerState(drafts=drafts, held=5)
    assert plan_release(WANTED, held).steps == (Publish(drafts[0]),)


def test_a_renamed_asset_is_known_by_its_bytes_and_removed():
    spoiled = [*whole()[:2], remote(ARTIFACTS[2], 9, name="renamed-b.txt")]
    draft = release(1, assets=spoiled)
    first, second = plan_release(WANTED, ServerState(drafts=(draft,))).steps
    assert first == RemoveAsset(draft, spoiled[2], "GitHub changed its name")
    assert second == UploadAsset(draft, ARTIFACTS[2])


def test_an_unknown_asset_of_unknown_bytes_is_measured_before_it_is_judged():
    strange = remote(Artifact.of_bytes("strange", b"?"), 9, digest=None)
    draft = release(1, assets=[*whole(), strange])
    assert plan_release(WANTED, ServerState(drafts=(draft,))).steps == (MeasureAsset(strange),)
    with pytest.raises(ConflictError, match="not ours: strange"):
        plan_release(WANTED, ServerState(drafts=(draft,), measured={9: OTHER_BYTES}))


def test_a_draft_with_another_manifest_is_a_conflict():
    marker = Marker("v1", OTHER_BYTES, OTHER_BYTES)
    draft = release(1, body=marker.append_to(""))
    with pytest.raises(ConflictError, match="another manifest"):
        plan_release(WANTED, ServerState(drafts=(draft,)))


def test_an_unfinished_asset_of_a_published_release_is_a_conflict():
    assets = [*whole()[:2], remote(ARTIFACTS[2], 9, state="starter", digest=None)]
    with pytest.raises(ConflictError, match="is starter with"):
        plan_release(WANTED, ServerState(release(1, draft=False, assets=assets)))


def test_a_wanted_release_has_its_manifest_and_each_name_once():
    for artifacts, manifest in ((ARTIFACTS, "missing"), (ARTIFACTS * 2, "m.json")):
        with pytest.raises(InputError, match="needs its manifest"):
            Wanted(TAG, artifacts, manifest)


# The marker.


@given(st.text(max_size=200).filter(lambda text: "<!-- release-tool " not in text))
def test_a_marker_is_found_again_in_any_text(text):
    assert Marker.find(WANTED.marker.append_to(text)) == WANTED.marker


@given(st.text(max_size=200))
def test_any_text_is_read_without_failing(text):
    assert Marker.find(text) is None


def test_two_markers_are_none_and_a_second_one_is_refused():
    once = WANTED.marker.append_to("text")
    assert Marker.find(f"{once}{WANTED.marker}") is None
    assert Marker.find(f"{once}<!-- release-tool -->") is None
    with pytest.raises(InputError, match="holds a marker"):
        WANTED.marker.append_to(once)


def test_the_marker_depends_on_every_name_and_byte_but_not_on_their_order():
    turned = Wanted(TAG, ARTIFACTS[::-1], "m.json")
    assert turned.marker == WANTED.marker
    changed = Wanted(TAG, (*ARTIFACTS[:2], Artifact.of_bytes("b.txt", b"!")), "m.json")
    assert changed.marker.manifest == WANTED.marker.manifest
    assert changed.marker.artifacts != WANTED.marker.artifacts

"""The fault matrix: every way to fail at every kind of call, once and for ever.

A cell is the exit code of the run that met the fault. Whatever it is, a consumer sees nothing or
the whole release, nothing but the tree of errors comes out, the waiting is bounded, and the next
run finishes the job. Nothing sleeps: the pauses are counted instead.
"""

import re

import pytest

from release_tool.core.errors import ReleaseToolError
from release_tool.core.patience import PATIENCE_SECONDS
from release_tool.github.preflight import check_publishable
from release_tool.rehearsal.github.standin import CallKind, Fault, FaultKind

pytestmark = pytest.mark.usefixtures("unmeasured")
TRANSIENT = """
refused reset stall 403-limit 429 500 502 503 html html-500 truncated lost
""".split()
"""What passes: one failure ends in success, failing for ever in 75 (the lists below aside)."""

DEFINITE = """
call                 kind            nth  401 403 404 409 422

repository           repository       1    6   6   6   6   6
tag, first look      release-by-tag   1    6   6   0   6   6
list, first look     releases         1    6   6   6   6   6
target               commit           1    6   6   6   6   6
git tag              commit           2    6   6   0   0   0
make draft           make-draft       1    6   6   6   6   0
read draft           release          1    6   6   0   6   6
list assets          assets           1    6   6   0   6   6
upload               upload           2    6   6   0   6   0
publish              publish          1    6   6   0   6   0
tag, read back       release-by-tag   2   75  75   0  75  75
list, read back      releases         2   75  75  75  75  75
assets, read back    assets           2   75  75  75  75  75
git tag, read back   commit           3   75  75   0   0   0
restore tag          edit             1    6   6   0   6   0
remove asset         remove-asset     1    6   6   0   6   0
remove draft         remove-release   1    0   0   0   0   0
download             asset            1    6   6   0   6   0
content              content          1    6   6   0   6   0
settings             immutable        1    0   0   0   0   0
"""
"""What GitHub means: the exit code after it said so once. After a 404 or 422 the state is read
again, and where that explains it the run goes on; 404 and 422 of a commit mean that there is none;
a setting that cannot be read stays unknown. From publishing on it is 75, because the release
may be visible then; what is called once it is stands in `test_fault_matrix_public.py`."""

ONLY_UPLOADS = {"zombie": 0, "wrong-digest": 0, "null-digest": 0, "renamed": 0}
"""What an upload leaves behind: no other call can leave it, so there are no other cells."""

FOR_EVER = {
    # A lost or truncated answer means that it was done; the next look finds it.
    **dict.fromkeys(
        [
            (call, fault)
            for call in ("make draft", "upload", "publish")
            for fault in ("lost", "truncated")
        ],
        0,
    ),
    ("remove asset", "truncated"): 0,  # its answer has no body that could be cut
    ("download", "truncated"): 0,  # nor has a redirect's
    ("read draft", "404"): 75,  # as if another run removed each draft
    ("list assets", "404"): 75,
    ("make draft", "422"): 6,
    ("upload", "404"): 6,
    ("upload", "422"): 6,
    ("publish", "404"): 6,
    ("publish", "422"): 6,
    ("restore tag", "404"): 6,
    ("restore tag", "422"): 6,
    ("remove asset", "404"): 6,
    ("remove asset", "422"): 6,
    ("download", "404"): 6,
    ("download", "422"): 6,
    ("content", "404"): 6,
    ("content", "422"): 6,
    ("upload", "zombie"): 75,
    ("upload", "wrong-digest"): 6,
    ("upload", "renamed"): 6,
}
"""Where failing for ever ends otherwise than once (definite) or than in 75 (transient)."""

ALWAYS_DONE = {"remove draft", "settings"}
"""A leftover that cannot be removed is only remarked upon: the release stands. A setting that
cannot be read is a line of the checklist, no more."""

SECOND_TIMES = {
    "tag, read back",
    "list, read back",
    "assets, read back",
    "git tag, read back",
}
"""The same calls as above them, later; they fail once only."""


def read_table():
    rows = [re.split(r"\s{2,}", line.strip()) for line in DEFINITE.strip().splitlines()[2:]]
    return {
        call: (
            kind,
            int(nth),
            dict(
                zip(
                    ["401", "403", "404", "409", "422"],
                    map(int, " ".join(rest).split()),
                    strict=True,
                )
            ),
        )
        for call, kind, nth, *rest in rows
    }


CALLS = read_table()


def expect_once(call, fault):
    if call in ALWAYS_DONE or fault in TRANSIENT:
        return 0
    return ONLY_UPLOADS[fault] if fault in ONLY_UPLOADS else CALLS[call][2][fault]


def expect_for_ever(call, fault):
    if call in ALWAYS_DONE:
        return 0
    usual = 75 if fault in TRANSIENT else expect_once(call, fault)
    return FOR_EVER.get((call, fault), usual)


FAULTS = [*TRANSIENT, "401", "403", "404", "409", "422", *ONLY_UPLOADS]
ONCE = [
    (call, fault)
    for call in CALLS
    for fault in FAULTS
    if call == "upload" or fault not in ONLY_UPLOADS
]
ALIKE = {"reset", "403", "409", "429", "502", "503", "html-500"}
"""What the client treats as another of the faults; failing for ever is tried with that one."""

LASTING = [(call, fault) for call, fault in ONCE if call not in SECOND_TIMES and fault not in ALIKE]


def test_the_table_names_every_fault_and_every_call_that_a_publication_makes():
    assert set(FAULTS) == {"refused", *FaultKind}
    later = {"attest", "attestations", "download"}  # once the release is public
    other_target = {"contents"}  # asked where the tag is not for the head: `test_target.py`
    assert {kind for kind, _, _ in CALLS.values()} == (
        set(CallKind) - later - other_target - {"other"}
    )
    assert len(ONCE) == len(CALLS) * 17 + 4


@pytest.fixture
def world(standing, borrow):
    standing.clear()
    with borrow(standing):
        yield standing


def prepare(world, files, call):
    """Bring the stand-in into a state in which the call is made."""
    if call in {"download", "content"}:
        world.stand_in.faults.append(Fault.parse("upload:null-digest"))
    world.state.immutable_setting = call == "settings"
    if call not in {"restore tag", "remove asset", "remove draft"}:
        return
    draft = world.state.releases[world.publish(files, keep_draft=True).id]
    if call == "restore tag":
        world.state.change_release(draft, {})
    elif call == "remove asset":
        next(iter(draft.assets.values())).digest = f"sha256:{'1' * 64}"
    else:
        files["tiny.onnx.sigstore.json"].write_bytes(b'{"bundle": 2}\n')
    world.stand_in.counts.clear()


def run(world, files, github, call):
    """Do what makes the call; return the exit code."""
    try:
        if call == "settings":
            found = check_publishable(github, world.repo, world.tag)
            return max(finding.error.exit_code if finding.error else 0 for finding in found)
        world.publish(files, github)
    except ReleaseToolError as error:
        return world.notes.fail(error)
    return 0


def check_whole_or_nothing(world, files):
    """Look at the state as a consumer would: nothing published, or exactly the files."""
    for release in world.state.releases.values():
        if not release.draft:
            assert release.tag == world.tag.name
            assert {asset.name for asset in release.assets.values()} == set(files)
            for asset in release.assets.values():
                assert asset.state == "uploaded"
                assert asset.path.read_bytes() == files[asset.name].read_bytes()
    return sum(not release.draft for release in world.state.releases.values())


def check_cell(world, files, call, fault, times, expected):
    prepare(world, files, call)
    world.naps.clear()
    kind, nth, _ = CALLS[call]
    client, has_struck = world.spoil(kind, fault, nth, times)
    github = world.connect(client=client)
    code = run(world, files, github, call)
    assert has_struck(), "the fault did not happen"
    assert all(line.isprintable() for line in world.notes.lines)
    assert code == expected
    visible = check_whole_or_nothing(world, files)
    assert not (visible and code == 6), "6 says that nothing became visible"
    assert sum(world.naps) <= PATIENCE_SECONDS
    if call == "settings":
        return
    assert visible or code
    if code or len(world.state.releases) > 1:
        world.stand_in.faults.clear()
        world.publish(files)
        assert check_whole_or_nothing(world, files) == 1
    assert len(world.state.releases) == 1


@pytest.mark.parametrize(("call", "fault"), ONCE)
def test_one_fault_is_overcome_or_ends_in_the_right_code(world, files, call, fault):
    check_cell(world, files, call, fault, 1, expect_once(call, fault))


@pytest.mark.parametrize(("call", "fault"), LASTING)
def test_a_fault_for_ever_ends_in_bounded_time_with_the_right_code(world, files, call, fault):
    check_cell(world, files, call, fault, 10**6, expect_for_ever(call, fault))

"""The fault matrix, once a release is public: reading it back, and storing its attestation.

Whatever fails there, the release stands, whole. What may pass ends in 75 and says so: the next run
finds the release published, verifies it and finishes the attestation, which is never stored twice.
What is meant for good ends in 0 with a remark, since a release needs no attestation.
"""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from release_tool.chain.adopt import adopt_signatures
from release_tool.chain.signed import find_signed
from release_tool.chain.upload import fetch_and_verify, keep_attestation
from release_tool.core.errors import ReleaseToolError, TryAgain
from release_tool.core.patience import PATIENCE_SECONDS
from release_tool.github.state import fetch_state
from release_tool.provenance.exported import open_exported
from release_tool.rehearsal.github.standin import FaultKind
from release_tool.verify.evidence import open_evidence
from tests.examples import STANDIN

pytestmark = pytest.mark.usefixtures("unmeasured")
TOKEN = "ghp_averysecrettokenthatnobodymaysee0123"
TRANSIENT = """
refused reset stall 403-limit 429 500 502 503 html html-500 truncated lost
""".split()
DEFINITE = ["401", "403", "404", "409", "422"]
NO_SENSE = {
    "zombie": "only an upload leaves one, and there is none left to make",
    "wrong-digest": "a digest is computed when an upload ends; a published release has its own",
    "renamed": "a name is changed when an upload begins; a published release has its own",
    "null-digest": "an upload leaves it: "
    "test_a_release_without_digests_is_read_back_and_believed_for_its_signatures",
}
"""Faults that these calls cannot have, and why: they are made by an upload, which comes before."""

READING = {
    "by tag, with no token": ("release-by-tag", None),
    "asset at the web's address": ("download", None),
    "asset of the API": ("asset", TOKEN),
    "redirected asset": ("content", TOKEN),
}
"""Call -> its kind, and whether whoever reads back has a token, which only the API ever sees."""

STORING = {"look up the attestation": "attestations", "store the attestation": "attest"}
ALL = {**{call: kind for call, (kind, _) in READING.items()}, **STORING}

FOR_EVER = {
    # A redirect has no body that could be cut.
    ("asset at the web's address", "truncated"): 0,
    ("asset of the API", "truncated"): 0,
    # It was done, and the next look finds it.
    ("store the attestation", "truncated"): 0,
    ("store the attestation", "lost"): 0,
    # Where nobody says what is stored, it is stored once; where it may not be, it is not.
    **{(call, fault): 0 for call in STORING for fault in DEFINITE},
}
"""Where failing for ever does not end in 75."""

UNATTESTED = {("store the attestation", fault) for fault in DEFINITE}
"""After which there is no attestation, and a remark."""

WITHOUT_TOKEN = {("asset", "401"), ("asset", "403")}
"""What a second request is made for, without the token: the release is public."""

CELLS = [(call, fault) for call in ALL for fault in [*TRANSIENT, *DEFINITE]]
ALIKE = {"reset", "403", "409", "429", "502", "503", "html-500"}
"""What the clients treat as another of the faults; failing for ever is tried with that one."""


@pytest.fixture(scope="module")
def public(standing, signed):
    """A world in which the release is published already."""
    standing.tag = signed.tag
    standing.release(signed)
    standing.validate()
    return standing


@pytest.fixture
def world(public, borrow):
    public.forget()
    public.state.attestations.clear()
    with borrow(public):
        yield public


def finish(world, signed, call, client=None):
    """Do what follows a publication, as far as the call has to do with it; the exit code."""
    token = READING[call][1] if call in READING else TOKEN
    target = world.target(signed, client, token)
    try:
        if call in READING:
            root = signed.instance.trusted_root
            fetch_and_verify(target, STANDIN, signed.identity.signer, root, progress=world.notes)
        else:
            evidence = open_evidence(signed.directory, STANDIN)
            keep_attestation(target.github, target.to, evidence, world.notes)
    except ReleaseToolError as error:
        check_told(error)
        return world.notes.fail(error)
    return 0


def check_told(error):
    """A maintainer learns that the release is out, what is missing, and what to do."""
    assert error.message.startswith("rehearsal/tiny@u2netp-mirror-v1 is published, but ")
    assert error.message.isprintable()
    assert error.hint.startswith("run the same command again")


def check_cell(world, signed, call, fault, times, expected):
    client, has_struck = world.spoil(ALL[call], fault, times=times)
    assert finish(world, signed, call, client) == expected
    assert has_struck(), "the fault did not happen"
    assert all(line.isprintable() for line in world.notes.lines)
    assert sum(world.naps) <= PATIENCE_SECONDS
    check_whole(world, signed)
    attested = len(world.state.attestations)
    if call in STORING:
        untold = expected == 0 and (call, fault) in UNATTESTED
        assert attested == (expected == 0 and not untold)
        assert not untold or "attestation" in world.notes.text
    if call in STORING and not attested:
        world.stand_in.faults.clear()
        assert finish(world, signed, call) == 0
        assert len(world.state.attestations) == 1


def check_whole(world, signed):
    """The release is what it was, in the state of the stand-in itself."""
    (release,) = world.state.releases.values()
    assert not release.draft
    found = {asset.name: asset.path.read_bytes() for asset in release.assets.values()}
    assert found == signed.contents


def test_every_fault_is_in_the_table_or_makes_no_sense_there():
    assert {*TRANSIENT, *DEFINITE, *NO_SENSE} == {"refused", *FaultKind}
    assert not {*TRANSIENT, *DEFINITE} & {*NO_SENSE}
    assert len(CELLS) == len(ALL) * 17
    assert NO_SENSE["null-digest"].split(": ")[1] in globals()


@pytest.mark.parametrize(("call", "fault"), CELLS)
def test_one_fault_after_publishing_is_overcome(world, signed, call, fault):
    check_cell(world, signed, call, fault, 1, 0)


@pytest.mark.parametrize(("call", "fault"), [cell for cell in CELLS if cell[1] not in ALIKE])
def test_a_fault_for_ever_after_publishing_says_that_the_release_is_out(world, signed, call, fault):
    check_cell(world, signed, call, fault, 10**6, FOR_EVER.get((call, fault), 75))


@pytest.mark.parametrize(
    ("kind", "fault", "expected"),
    [
        ("asset", "404", 75),
        ("content", "lost", 75),
        ("attestations", "500", 75),
        ("attest", "500", 75),
        ("attest", "lost", 0),
    ],
)
def test_a_whole_publication_ends_alike_and_its_next_run_finishes(
    make_world, signed, tmp_path, capfd, kind, fault, expected
):
    world = make_world()
    client, has_struck = world.spoil(kind, fault, times=10**6)
    try:
        code = 0
        world.release(signed, client)
    except ReleaseToolError as error:
        check_told(error)
        code = world.notes.fail(error)
    assert (code, has_struck()) == (expected, True)
    check_whole(world, signed)
    world.stand_in.faults.clear()
    assert world.release(signed).already
    check_whole(world, signed)
    assert len(world.state.attestations) == 1
    world.check_secrets("".join(capfd.readouterr()), tmp_path, signed.directory)


def test_a_release_without_digests_is_read_back_and_believed_for_its_signatures(
    make_world, signed, unsigned
):
    world = make_world()
    client, has_struck = world.spoil("upload", "null-digest", times=10**6)
    assert not world.release(signed, client).already
    assert has_struck()
    check_whole(world, signed)
    assert {
        asset.digest
        for release in world.state.releases.values()
        for asset in release.assets.values()
    } == {None}
    world.stand_in.faults.clear()
    assert world.release(signed).already
    elsewhere = replace(signed, directory=unsigned)
    assert world.release(elsewhere).already
    assert elsewhere.contents == signed.contents
    check_whole(world, signed)


@pytest.fixture
def unsigned(signed, tmp_path):
    """The same export on another machine, where nobody has signed yet."""
    ignored = shutil.ignore_patterns("*.sigstore.json")
    return Path(shutil.copytree(signed.directory, tmp_path / "dist", ignore=ignored))


def take_over(world, signed, directory, client=None):
    target = world.target(signed, client)
    exported = open_exported(directory, STANDIN)
    root = signed.instance.trusted_root

    def hold():
        return find_signed(exported, STANDIN, signed.identity.signer, root) is not None

    state = fetch_state(target.github, target.to.repo, target.to.tag)
    return adopt_signatures(target.github, state, target.source, target.to, STANDIN, exported, hold)


@pytest.mark.parametrize("kind", ["asset", "content"])
@pytest.mark.parametrize("fault", [*TRANSIENT, *DEFINITE])
def test_signatures_that_do_not_come_from_a_public_release_are_not_made_anew(
    world, signed, unsigned, kind, fault
):
    """Others would make the next step find a conflict where there is none."""
    passes = (fault in TRANSIENT and fault != "html") or (kind, fault) in WITHOUT_TOKEN
    client, has_struck = world.spoil(kind, fault)
    try:
        assert take_over(world, signed, unsigned, client)
    except TryAgain as error:
        assert not passes
        check_told(error)
        assert take_over(world, signed, unsigned)
    else:
        assert passes
    assert has_struck()
    names = (STANDIN.names.bundle, STANDIN.names.provenance)
    assert all((unsigned / name).read_bytes() == signed.contents[name] for name in names)


def test_of_two_signatures_both_must_hold_or_both_are_taken_over(world, signed, unsigned):
    bundle, provenance = STANDIN.names.bundle, STANDIN.names.provenance
    (unsigned / bundle).write_bytes(signed.contents[bundle])
    assert take_over(world, signed, unsigned)
    (unsigned / provenance).write_bytes(b"{}")
    assert take_over(world, signed, unsigned)
    assert not take_over(world, signed, unsigned)
    assert (unsigned / provenance).read_bytes() == signed.contents[provenance]

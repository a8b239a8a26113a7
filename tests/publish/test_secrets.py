"""Secrets: whatever fails, the command line shows neither GitHub's token nor an identity token.

Each cell of the fault matrix looks for them in all that came of it (see `conftest.py`); here it is
the command line itself that meets every fault, with all it prints, writes and logs.
"""

import logging

import pytest

from release_tool.cli.main import main
from release_tool.github.client import open_github
from release_tool.rehearsal.github.faults import UPLOAD_FAULTS
from release_tool.rehearsal.github.standin import CallKind, Fault, FaultKind

pytestmark = pytest.mark.usefixtures("unmeasured")
HASTE_SECONDS = 0.2
TOKEN = "ghp_averysecrettokenthatnobodymaysee0123"
REQUEST_TOKEN = "averysecrettokenforidentitytokens0123"
CALLS = [
    CallKind.REPOSITORY, CallKind.RELEASES, CallKind.MAKE_DRAFT, CallKind.UPLOAD, CallKind.PUBLISH,
    CallKind.ASSET, CallKind.CONTENT, CallKind.ATTESTATIONS, CallKind.ATTEST,
]  # fmt: skip
"""The questions and the orders that a publication makes, each of which meets each fault."""
PASSING = "reset 403-limit 429 500", "502 503 html html-500", "stall truncated", "lost"
MEANT = "401", "403", "404", "409", "422"
AT_UPLOADS = " ".join(sorted(UPLOAD_FAULTS))
TOGETHER = [*PASSING, *MEANT, AT_UPLOADS]
"""Faults that one run meets, one after the other; what is meant ends it."""


@pytest.fixture
def command(signed, standin, tmp_path, monkeypatch):
    """Runs a command as a job does that may do everything, and never sleeps."""
    trust = tmp_path / "trust.json"
    trust.write_bytes(signed.instance.trust_config)
    secrets = {
        "GH_TOKEN": TOKEN,
        "SIGSTORE_ID_TOKEN": signed.identity_token,
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": REQUEST_TOKEN,
    }
    job = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    for name, value in (secrets | job).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(open_github.__kwdefaults__, "sleep", lambda _seconds: None)

    def run(name, *options):
        try:
            recipe = ["--recipe", str(standin.recipe_file)]
            main([name, str(signed.directory), "--verbose", *recipe, *map(str, options)])
        except SystemExit as stop:
            return stop.code
        return 0

    return run


def test_every_fault_is_met():
    assert sorted(" ".join(TOGETHER).split()) == sorted(FaultKind)


@pytest.fixture
def hasty(monkeypatch):
    """Wait a moment only for who says nothing, where somebody will."""
    monkeypatch.setitem(open_github.__kwdefaults__, "silence_seconds", HASTE_SECONDS)
    monkeypatch.setattr("release_tool.github.transfer.SILENCE_SECONDS", HASTE_SECONDS)


@pytest.mark.parametrize("together", TOGETHER)
def test_no_fault_brings_a_token_to_light(
    make_world, command, signed, tmp_path, caplog, together, capfd, request
):
    caplog.set_level(logging.DEBUG)
    if "stall" in together:
        request.getfixturevalue("hasty")
    calls = [CallKind.UPLOAD] if together == AT_UPLOADS else CALLS
    kinds = [FaultKind(name) for name in together.split()]
    faults = [Fault(call, kind, nth) for call in calls for nth, kind in enumerate(kinds, 1)]
    world = make_world(repo="rehearsal/u2netp-mirror", faults=faults)
    world.secrets |= {signed.identity_token, REQUEST_TOKEN}
    trust = ["--trusted-root", tmp_path / "trust.json", "--github-api", world.stand_in.api]
    assert command("sign", "--sigstore", tmp_path / "trust.json") == 0
    codes: list[int] = []
    while not codes or codes[-1]:
        codes.append(command("upload", "--repo", "rehearsal/u2netp-mirror", *trust))
        assert codes[-1] in (0, 6, 75)
        assert len(codes) <= 1 + len(CALLS)
    counts = world.stand_in.counts
    assert all(counts[call] >= len(kinds) for call in calls), "each call met its faults"
    assert len(world.state.attestations) <= 1
    said = "".join(capfd.readouterr())
    assert "reusing the signatures" in said
    assert "::error title=release-tool::" in said or not any(codes)
    assert caplog.records
    world.check_secrets(said + caplog.text, tmp_path, signed.directory)


def test_the_token_goes_to_no_other_origin(make_world, files):
    world = make_world(faults=[Fault.parse("upload:null-digest:1:100")])
    world.publish(files)
    origins = {entry.origin for entry in world.stand_in.requests}
    assert origins == {"api", "content"}
    for entry in world.stand_in.requests:
        assert ("authorization" in entry.headers) == (entry.origin == "api")

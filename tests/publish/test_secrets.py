"""Secrets: with every fault, and with everything written down, the token shows nowhere."""

import logging

import pytest

from release_tool.core.errors import ReleaseToolError
from release_tool.rehearsal.github import CallKind, Fault, FaultKind
from release_tool.rehearsal.github_faults import UPLOAD_FAULTS

TOKEN = "ghp_averysecrettokenthatnobodymaysee0123"
CALLS = (CallKind.RELEASES, CallKind.UPLOAD, CallKind.PUBLISH)


@pytest.mark.parametrize("fault", FaultKind)
def test_no_fault_brings_the_token_to_light(make_world, files, caplog, fault, capfd):
    caplog.set_level(logging.DEBUG)
    calls = (CallKind.UPLOAD,) if fault in UPLOAD_FAULTS else CALLS
    world = make_world(faults=[Fault(call, fault) for call in calls])
    shown = []
    for _ in range(4):
        try:
            world.publish(files, world.connect(silence_seconds=0.3))
        except ReleaseToolError as error:
            chain: BaseException | None = error
            while chain is not None:
                shown += [repr(chain), str(chain), str(getattr(chain, "hint", ""))]
                chain = chain.__cause__ or chain.__context__
    shown += [caplog.text, world.notes.text, *capfd.readouterr()]
    assert caplog.records
    assert TOKEN not in "\n".join(shown)
    for release in world.state.releases.values():
        assert TOKEN not in f"{release}"


def test_the_token_goes_to_no_other_origin(make_world, files):
    world = make_world(faults=[Fault.parse("upload:null-digest:1:100")])
    world.publish(files)
    origins = {entry.origin for entry in world.stand_in.requests}
    assert origins == {"api", "content"}
    for entry in world.stand_in.requests:
        assert ("authorization" in entry.headers) == (entry.origin == "api")

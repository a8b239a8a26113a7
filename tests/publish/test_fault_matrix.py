"""The fault matrix: every way to fail at every kind of call, once and for ever.

A cell is the exit code of the run that met the fault. Whatever it is, a consumer sees nothing or
the whole release, nothing but the tree of errors comes out, and the next run finishes the job.
"""

import pytest

from release_tool.core.errors import ReleaseToolError
from release_tool.publish.attestation import send_attestation
from release_tool.rehearsal.github import Fault
from release_tool.rehearsal.github_faults import UPLOAD_FAULTS, CallKind, FaultKind

BUNDLE = b'{"dsseEnvelope": {"payload": "eyJzdWJqZWN0IjogW119"}}'  # {"subject": []}
FAULTS = ["refused", *FaultKind]
TRANSIENT = ["refused", "reset", "stall", "403-limit", "429", "500", "502", "503", "html",
             "html-500", "truncated", "lost"]
DEFINITE = ["401", "403", "404", "409", "422"]
assert {*TRANSIENT, *DEFINITE, *UPLOAD_FAULTS} == set(FAULTS)

CALLS = {
    "repository": ("repository", 1),
    "tag, first look": ("release-by-tag", 1),
    "list, first look": ("releases", 1),
    "target": ("commit", 1),
    "git tag": ("commit", 2),
    "make draft": ("make-draft", 1),
    "read draft": ("release", 1),
    "list assets": ("assets", 1),
    "upload": ("upload", 2),
    "read draft again": ("release", 2),
    "list assets again": ("assets", 2),
    "publish": ("publish", 1),
    "tag, read back": ("release-by-tag", 2),
    "list, read back": ("releases", 2),
    "assets, read back": ("assets", 3),
    "git tag, read back": ("commit", 3),
    "restore tag": ("edit", 1),
    "remove asset": ("remove-asset", 1),
    "remove draft": ("remove-release", 1),
    "download": ("asset", 1),
    "content": ("content", 1),
    "attest": ("attest", 1),
}


def prepare(world, files, call):
    """Bring the stand-in into a state in which the call is made."""
    faults = []
    if call in {"download", "content"}:
        faults.append(Fault.parse("upload:null-digest"))
    if call in {"restore tag", "remove asset", "remove draft"}:
        kept = world.publish(files, keep_draft=True)
        draft = world.state.releases[kept.id]
        if call == "restore tag":
            world.state.change_release(draft, {})
        elif call == "remove asset":
            next(iter(draft.assets.values())).digest = f"sha256:{'1' * 64}"
        else:
            bundle = files["tiny.onnx.sigstore.json"]
            bundle.write_bytes(bundle.read_bytes() + b"\n")
    return faults


def run_cell(make_world, files, call, fault, times):
    """Publish with the fault in place; return the exit code."""
    world = make_world()
    faults = prepare(world, files, call)
    world.stand_in.counts.clear()
    kind, nth = CALLS[call]
    seen = {"count": 0, "refused": 0}
    if fault == "refused":
        def count(entry_kind=kind):
            return world.stand_in.counts[entry_kind]

        def refuse(request):
            # The connection fails when the call of this kind would be the nth.
            if count() == nth - 1 and matches(request, kind) and seen["refused"] < times:
                seen["refused"] += 1
                return True
            return False
    else:
        faults.append(Fault(CallKind(kind), FaultKind(fault), nth, times))
        refuse = None
    world.stand_in.faults.extend(faults)
    silence = 0.25 if fault == "stall" else 30.0
    github = world.connect(refuse=refuse, silence_seconds=silence)
    code = 0
    try:
        if call == "attest":
            code = 0 if send_attestation(github, world.repo, BUNDLE) else "no"
        else:
            world.publish(files, github)
    except ReleaseToolError as error:
        code = error.exit_code
        assert "\n" not in str(error)
    struck = seen["refused"] or world.stand_in.counts[kind] >= nth
    assert struck, "the fault did not happen"
    world.stand_in.faults.clear()
    return world, code


def matches(request, kind):
    """Tell from a request what kind of call it is (for failures before anything is sent)."""
    path = request.url.path
    tail = path.partition("/repos/rehearsal/tiny")[2]
    first = tail.split("/")
    method = request.method
    patterns = {
        "repository": method == "GET" and tail == "",
        "release-by-tag": tail.startswith("/releases/tags/"),
        "releases": method == "GET" and tail == "/releases",
        "commit": tail.startswith("/commits/"),
        "make-draft": method == "POST" and tail == "/releases",
        "release": method == "GET" and len(first) == 3 and first[1] == "releases",
        "assets": method == "GET" and tail.endswith("/assets"),
        "upload": method == "POST" and tail.endswith("/assets"),
        "publish": method == "PATCH",
        "edit": method == "PATCH",
        "remove-asset": method == "DELETE" and "/releases/assets/" in tail,
        "remove-release": method == "DELETE" and "/releases/assets/" not in tail,
        "asset": method == "GET" and "/releases/assets/" in tail,
        "content": path.startswith("/content/"),
        "attest": tail == "/attestations",
    }
    return patterns[kind]


def applies(call, fault):
    """Four faults are about what an upload leaves behind; every other cell is filled."""
    return call == "upload" or fault not in UPLOAD_FAULTS


CELLS = [(call, fault) for call in CALLS for fault in FAULTS if applies(call, fault)]

if __name__ == "__main__":
    raise SystemExit


@pytest.mark.parametrize(("call", "fault"), CELLS)
def test_explore(make_world, files, call, fault):
    world, code = run_cell(make_world, files, call, fault, 1)
    world2, code2 = run_cell(make_world, files, call, fault, 10**6)
    with open("/tmp/matrix.txt", "a") as f:
        f.write(f"{call}|{fault}|{code}|{code2}|{len(world.naps)},{sum(world.naps):.0f}|{len(world2.naps)},{sum(world2.naps):.0f}|{world.visible() is not None}{world2.visible() is not None}\n")

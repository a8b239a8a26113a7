"""Kill anywhere: a publication dies by SIGKILL at every request, and the next run finishes it.

One publication goes through all its requests, and at each moment of each of them a child that it
forks dies in its place (see `zygote.py`); what a death left on the server is looked at and then
put back. Where many deaths leave the same behind, the next run is made once, on a copy: what a
run goes on from is the release on the server and the directory, which no death changes.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from copy import deepcopy
from pathlib import Path
from typing import Any

import httpx
import pytest

from release_tool.core.digest import Sha256
from release_tool.core.errors import CannotVerify
from release_tool.github.download import fetch_release
from release_tool.github.transfer import make_read_api
from release_tool.recipes import layout
from release_tool.recipes.u2netp import U2NETP
from release_tool.rehearsal.exchange import Disconnect
from release_tool.verify.evidence import open_evidence
from release_tool.verify.verdict import verify_release

pytestmark = pytest.mark.usefixtures("unmeasured")
TOKEN = "ghp_averysecrettokenthatnobodymaysee0123"
UPLOADS = 7
REQUESTS = 19 + 3 * UPLOADS
"""How many requests a whole publication makes, three of them for each file."""

FIELDS = ("releases", "tags", "burnt", "attestations", "latest", "counter")


class Killer:
    """Kills who asks for it, from the threads of a stand-in, and sees them dead."""

    def __init__(self):
        self.dead = threading.Event()

    def __call__(self, moment, entry):
        pid, _, when = entry.headers.get("x-dies", "").partition(" ")
        if when != moment:
            return
        self.dead.clear()
        os.kill(int(pid), signal.SIGKILL)
        assert self.dead.wait(30)
        if moment != "performed":
            raise Disconnect


@contextlib.contextmanager
def publishing(world, signed, scratch):
    """Start the publication that goes on; yield the deaths that it reports, each to be answered."""
    # Who is killed while it writes down what it covered leaves a damaged record behind.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}
    process: Any = subprocess.Popen(
        [sys.executable, "-P", str(Path(__file__).with_name("zygote.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment | {"GH_TOKEN": TOKEN},
    )
    order = {
        "api": world.stand_in.api,
        "repo": world.stand_in.repo,
        "directory": str(signed.directory),
        "trust_config": signed.instance.trust_config.decode(),
        "identity_token": signed.identity_token,
        "scratch": str(scratch),
    }

    def tell(line):
        process.stdin.write(f"{line}\n")
        process.stdin.flush()

    def deaths():
        for line in process.stdout:
            world.stand_in.watch.dead.set()
            yield json.loads(line)
            tell("go on")

    with process:
        tell(json.dumps(order))
        yield deaths()
    assert process.returncode == 0


def describe(state):
    """Say all that matters of a server's state, but the times."""

    def say(release):
        fields = {name: getattr(release, name) for name in release.__slots__}
        assets = [
            (item.id, item.name, item.state, item.size, item.digest, Sha256.of_file(item.path))
            for item in release.assets.values()
        ]
        return fields | {"created_at": None, "published_at": None, "assets": assets}

    releases = [say(release) for release in state.releases.values()]
    return repr((releases, state.tags, state.attestations, state.latest))


def keep(state, place):
    """Copy a server's state, with the bytes of its assets, into a directory of its own."""
    shutil.copytree(state.directory, place)
    return {name: deepcopy(getattr(state, name)) for name in FIELDS}


def put_back(state, kept, place):
    """Make a server's state what was kept, with copies of the bytes."""
    for name in FIELDS:
        setattr(state, name, deepcopy(kept[name]))
    for release in state.releases.values():
        for asset in release.assets.values():
            asset.path = state.directory / asset.path.name
            shutil.copy(place / asset.path.name, asset.path)


def look_as_a_consumer(world, signed, place):
    """Fetch and verify with no token, as anybody can; None where there is nothing."""
    with httpx.Client() as client:
        asked = (
            make_read_api(client, world.stand_in.api, None),
            world.repo,
            signed.tag,
            layout.limits(U2NETP.names, U2NETP.contract.limits.max_model_bytes),
            place,
        )
        if world.visible() is None:
            with pytest.raises(CannotVerify, match="no published release"):
                fetch_release(*asked, optional=layout.optional_names(U2NETP.names))
            return None
        fetch_release(*asked, optional=layout.optional_names(U2NETP.names))
    verify_release(
        open_evidence(place, U2NETP), signed.identity.signer, signed.instance.trusted_root
    )
    return {path.name: path.read_bytes() for path in place.iterdir()}


def check_next_run(world, signed, place):
    """The next run finishes: one release, whole, of the same bytes, attested once."""
    seen = look_as_a_consumer(world, signed, place / "before")
    assert seen in (None, signed.contents)
    attested = len(world.state.attestations)
    assert attested <= (seen is not None)
    assert world.release(signed).already == (seen is not None)
    assert look_as_a_consumer(world, signed, place / "after") == signed.contents
    assert world.visible() == signed.contents
    (release,) = world.state.releases.values()
    assert not release.draft
    assert {asset.state for asset in release.assets.values()} == {"uploaded"}
    assert len(world.state.attestations) == 1


@pytest.fixture
def worlds(make_world, signed):
    """Make worlds whose tag is that of the signed release."""

    def make(**options):
        world = make_world(**options)
        world.tag = signed.tag
        return world

    return make


def test_a_publication_killed_anywhere_is_finished_by_the_next(worlds, signed, tmp_path):
    world = worlds(watch=Killer())
    deaths: Counter[str] = Counter()
    left: dict[str, Any] = {}
    before = ""
    with publishing(world, signed, tmp_path) as reported:
        for death in reported:
            number, moment = death["number"], death["moment"]
            assert os.WIFSIGNALED(death["status"]), death
            assert os.WTERMSIG(death["status"]) == signal.SIGKILL
            deaths[moment] += 1
            found = describe(world.state)
            if found not in left:
                place = tmp_path / f"{number} {moment}"
                left[found] = keep(world.state, place), place
            if moment == "before":
                before = found
            if moment == "received":
                assert found == before, "nothing was done yet"
            if moment in ("halfway", "performed"):
                put_back(world.state, *left[before])
    assert deaths == {
        "before": REQUESTS,
        "received": REQUESTS,
        "halfway": UPLOADS,
        "performed": REQUESTS,
        "answered": REQUESTS,
    }
    # Nothing, a draft, each upload's remains and each upload, the release, the attestation.
    assert len(left) == 2 + 2 * UPLOADS + 2
    for kept, place in left.values():
        copy = worlds()
        put_back(copy.state, kept, place)
        check_next_run(copy, signed, tmp_path / f"after {place.name}")


def test_the_requests_of_a_publication_are_of_the_known_kinds(worlds, signed):
    """Who adds a call to a publication has to say so here, and in the fault matrix."""
    world = worlds()
    world.release(signed)
    assert len(world.stand_in.requests) == REQUESTS

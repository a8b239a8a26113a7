"""`sign` and the bad minutes of Sigstore: what it waits for, when it gives up, what it keeps."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from release_tool.rehearsal.outages import SIGSTORE, Outage, OutageKind
from tests.cli.conftest import BUNDLES, World

BUNDLE, PROVENANCE = BUNDLES


@pytest.fixture
def failing(world: World) -> Iterator[World]:
    """The world, whose Sigstore is well again afterwards: other tests have the same."""
    yield world
    for service in SIGSTORE:
        world.sigstore.fail(service, None)


@pytest.mark.parametrize("rekor", ["503", "reset"])
def test_a_run_after_an_outage_signs_only_what_is_missing(
    run, failing: World, exported: Path, rekor: str
):
    log = failing.sigstore.rekor.entries
    before = len(log)
    failing.sigstore.fail("rekor", Outage(OutageKind(rekor), spared=1))
    result = run("sign", exported, *failing.signing, "--patience", "1s")
    assert result.code == 75
    assert "waited 1 s for it in vain" in result.err
    assert "run the same command again" in result.err
    assert (exported / BUNDLE).exists()
    assert not (exported / PROVENANCE).exists()
    failing.sigstore.fail("rekor", None)
    kept = (exported / BUNDLE).read_bytes()
    again = run("sign", exported, *failing.signing)
    assert again.code == 0, again.err
    assert "reusing the model's signature" in again.err
    assert (exported / BUNDLE).read_bytes() == kept
    assert len(log) == before + 2


def test_a_signature_of_other_bytes_or_of_somebody_else_is_not_kept(
    run, failing: World, exported: Path
):
    assert run("sign", exported, *failing.signing).code == 0
    bundle = (exported / PROVENANCE).read_bytes()
    (exported / BUNDLE).write_bytes(bundle[:-10])
    (exported / PROVENANCE).unlink()
    result = run("sign", exported, *failing.signing)
    assert result.code == 0, result.err
    assert "reusing" not in result.err


def test_what_is_waited_for_is_said(run, failing: World, exported: Path):
    for service in SIGSTORE[1:]:
        failing.sigstore.fail(service, Outage(OutageKind.UNAVAILABLE, times=1))
    result = run("sign", exported, *failing.signing)
    assert result.code == 0, result.err
    for what in ("the signing certificate", "the time stamp", "the log entry"):
        assert f"{what}: 127.0.0.1:" in result.err
    assert result.err.count("answered 503: an outage; trying again in 1 s, waiting ") == 3


@pytest.mark.parametrize("given", ["soon", "-1s", "1 s", "", "1d"])
def test_what_is_no_time_is_refused(run, world: World, exported: Path, given: str):
    result = run("sign", exported, *world.signing, "--patience", given)
    assert result.code == 2
    assert "write it like 20s, 10m or 1h" in result.err

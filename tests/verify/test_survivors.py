"""What of a bundle may vary is what the threat model lists, and each of it does vary."""

import re
from pathlib import Path

import pytest

from tests.fuzz.mutations import BUNDLE_NAMES, changes
from tests.fuzz.survivors import find, rehearsed

PAGE = Path(__file__).parents[2] / "docs/threat-model.md"
STRIDE = 211
"""Of octets and texts; a structure is changed everywhere. `make fuzz` leaves out nothing."""


def listed() -> set[str]:
    """Read the first column of the threat model's list."""
    section = PAGE.read_text().partition("## What of a bundle may vary")[2].partition("\n## ")[0]
    first, *rows = re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE)
    assert first == "what may differ"
    return set(rows)


@pytest.mark.usefixtures("unmeasured")
def test_what_may_vary_is_what_the_threat_model_lists():
    found = list(find(rehearsed(), STRIDE))
    unlisted = [(case.title, it.how, it.place) for case, name, it in found if name is None]
    assert not unlisted
    assert {name for _case, name, _change in found} == listed()


def test_the_changes_reach_what_they_are_meant_for(statement_bundles):
    """A change that no reader understands any more would be refused for the wrong reason."""
    seen = {(one.place, one.how) for one in changes(statement_bundles["v1"], STRIDE, BUNDLE_NAMES)}
    material = "verificationMaterial"
    for place, how in (
        ("", "spell"),
        (f"{material}.certificate.rawBytes/30/30/a3/30/30/04", "delete"),
        (f"{material}.tlogEntries[].canonicalizedBodyspec.signatures[].verifier", "flip"),
        (f"{material}.tlogEntries[].inclusionProof.checkpoint.envelope/30", "twin"),
        (f"{material}.timestampVerificationData.rfc3161Timestamps[].signedTimestamp/30/30", "swap"),
        ("dsseEnvelope.payloadsubject[].digest.sha256", "flip"),
        ("dsseEnvelope.signatures[].sig/30", "twin"),
    ):
        assert (place, how) in seen, place

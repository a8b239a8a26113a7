"""After the moment of publishing: whatever goes wrong then, the release is out and stays."""

import tempfile
from pathlib import Path

import httpx
import pytest

from release_tool.github.origin import ApiRoot

REPO = "rehearsal/u2netp-mirror"


def test_without_room_to_read_it_back_the_release_is_said_to_be_out(
    run, world, signed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    upload = ["upload", signed, "--repo", REPO, *world.believing, *world.api]
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
        result = run(*upload)
    assert result.code == 75
    assert f"{REPO}@u2netp-mirror-v1 is published, but cannot be read back yet" in result.err
    assert "run the same command again" in result.err
    assert run(*upload).code == 0
    assert len(world.github.state.attestations) == 1


def test_a_branch_that_moved_on_is_no_conflict_once_the_release_is_out(run, world, signed: Path):
    doctor = ["doctor", signed, "--repo", REPO, "--target", "main", *world.api, *world.signing]
    upload = ["upload", signed, "--repo", REPO, "--target", "main", *world.believing, *world.api]
    assert run(*upload).code == 0
    state = world.github.state
    state.commits["main"] = "cd" * 20
    result = run(*doctor, *world.believing)
    assert result.code == 0, result.out
    assert "is published where it stands, and main has moved on since" in result.out
    assert run(*upload).code == 0


@pytest.mark.parametrize(
    ("api", "address", "trusted"),
    [
        ("https://api.github.com", "https://uploads.github.com/repos/x", True),
        ("https://api.octo.ghe.com", "https://uploads.octo.ghe.com/repos/x", True),
        ("https://api.octo.ghe.com", "https://uploads.other.ghe.com/repos/x", False),
        ("https://api.octo.ghe.com", "https://uploads.github.com/repos/x", False),
        ("https://api.octo.ghe.com", "http://uploads.octo.ghe.com/repos/x", False),
        ("https://api.octo.ghe.com", "https://uploads.octo.ghe.com:8443/repos/x", False),
        ("https://octo.ghe.com", "https://uploads.octo.ghe.com/repos/x", False),
        ("https://api.a.b.ghe.com", "https://uploads.a.b.ghe.com/repos/x", False),
        ("https://api.ghe.com.example.org", "https://uploads.ghe.com.example.org/x", False),
        ("https://api.evil-ghe.com", "https://uploads.evil-ghe.com/repos/x", False),
    ],
)
def test_a_token_goes_to_githubs_own_upload_hosts_only(api, address, trusted):
    assert ApiRoot(api).trusts(httpx.URL(address)) is trusted

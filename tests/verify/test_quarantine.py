"""A download waits where nobody takes it for a model, and stays only where it can be resumed."""

from pathlib import Path

import pytest

from release_tool.core.errors import InputError, NotVerified, TryAgain
from release_tool.core.names import Destination
from release_tool.verify.quarantine import open_quarantine

RELEASE = Destination.parse("owner/name@v1")


def fill(directory: Path) -> Path:
    with open_quarantine(directory, RELEASE) as place:
        (place / "part").write_bytes(b"part")
    return place


def test_the_place_is_hidden_and_removed_at_the_end(tmp_path: Path):
    place = fill(tmp_path / "model")
    assert place.name.startswith(".")
    assert not place.exists()


def leave(directory: Path, error: BaseException) -> Path:
    with pytest.raises(type(error)), open_quarantine(directory, RELEASE) as place:
        (place / "part").write_bytes(b"part")
        raise error
    return place


@pytest.mark.parametrize("error", [TryAgain("network"), KeyboardInterrupt()])
def test_a_download_that_broke_off_is_kept_and_found_again(tmp_path: Path, error):
    place = leave(tmp_path, error)
    assert (place / "part").read_bytes() == b"part"
    with open_quarantine(tmp_path, RELEASE) as again:
        assert (again / "part").exists()


def test_what_was_refused_is_not_kept(tmp_path: Path):
    assert not leave(tmp_path, NotVerified("no")).exists()


def test_two_runs_never_share_a_quarantine(tmp_path: Path):
    with (
        open_quarantine(tmp_path, RELEASE),
        pytest.raises(TryAgain, match=r"another process is fetching owner/name@v1"),
        open_quarantine(tmp_path, RELEASE),
    ):
        pass


def test_a_directory_that_cannot_be_made_is_an_input_error(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    with (
        pytest.raises(InputError, match="cannot write to"),
        open_quarantine(tmp_path / "file", RELEASE),
    ):
        pass


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_a_link_that_lies_in_the_place_never_leads_a_download_out_of_it(tmp_path: Path, link):
    """Who controls the folder must not have somebody's file overwritten."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    place = leave(tmp_path / "model", TryAgain("network"))
    (place / "part").unlink()
    getattr(place / "part", link)(victim)
    with open_quarantine(tmp_path / "model", RELEASE) as again:
        assert not (again / "part").exists()
        (again / "part").write_bytes(b"downloaded")
    assert victim.read_bytes() == b"precious"


def test_a_place_that_is_a_link_is_not_followed(tmp_path: Path):
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "part").write_bytes(b"precious")
    place = leave(tmp_path / "model", TryAgain("network"))
    (place / "part").unlink()
    place.rmdir()
    place.symlink_to(victim)
    assert fill(tmp_path / "model") == place
    assert [path.read_bytes() for path in victim.iterdir()] == [b"precious"]


def test_a_directory_that_lies_in_the_place_is_removed(tmp_path: Path):
    place = leave(tmp_path, TryAgain("network"))
    (place / "inner").mkdir()
    with open_quarantine(tmp_path, RELEASE) as again:
        assert [path.name for path in again.iterdir()] == ["part"]

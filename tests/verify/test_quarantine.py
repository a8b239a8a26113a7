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

"""A file more in a release is a row of the table and its maker; all commands then know it."""

from pathlib import Path

import pytest

from release_tool.core.limits import TEXT_LIMIT_BYTES
from release_tool.recipes import layout

REPO, TAG = "rehearsal/u2netp-mirror", "u2netp-mirror-v1"
CARD = layout.FileRole("card", "{stem}.card.md", TEXT_LIMIT_BYTES, "export")
NAME, INSTALLED = "u2netp_mirror_v1.card.md", "u2netp_mirror.card.md"


@pytest.fixture
def with_card(exported: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table with a row more, and an export that made the file of that row."""
    monkeypatch.setattr(layout, "FILES", (*layout.FILES, CARD))
    (exported / NAME).write_text("A card.\n")
    return exported


@pytest.fixture
def published(run, world, with_card: Path) -> Path:
    """The release with that file, signed and uploaded."""
    assert run("sign", with_card, *world.signing).code == 0
    assert run("upload", with_card, *world.believing, *world.api).code == 0
    return with_card


def test_a_row_more_is_signed_uploaded_fetched_and_installed(
    run, world, published: Path, tmp_path: Path
):
    [release] = world.github.state.releases.values()
    assert NAME in {asset.name for asset in release.assets.values()}

    models = tmp_path / "models"
    options = [*world.believing[2:], *world.api]
    fetched = run("fetch", f"{REPO}@{TAG}", "--to", models, *options, "--json")
    assert fetched.code == 0, fetched.err
    assert (models / INSTALLED).read_text() == "A card.\n"
    verified = run("verify", models, *world.believing, "--json")
    assert "card" in {file["role"] for file in verified.document["artifacts"]}


def test_a_row_more_is_missed_where_it_is_not_there(run, world, published: Path, with_card: Path):
    (published / NAME).unlink()
    verified = run("verify", published, *world.believing)
    assert (verified.code, "lacks its card" in verified.err) == (9, True), verified.err
    for command in ("sign", "upload"):
        options = world.signing if command == "sign" else [*world.believing, *world.api]
        assert run(command, published, *options).code == 3


def test_a_row_more_is_held_against_what_was_signed(run, world, published: Path):
    (published / NAME).write_text("Another card.\n")
    verified = run("verify", published, *world.believing)
    assert (verified.code, NAME in verified.err) == (8, True), verified.err
    checked = run("doctor", published, *world.believing, *world.api, "--json")
    findings = {check["name"]: check for check in checked.document["checks"]}
    assert NAME in findings["signatures"]["text"]


def test_a_row_less_leaves_a_release_that_has_it_to_its_own_reader(
    run, world, published: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """Who does not know the file refuses a directory that should be whole, and takes the model."""
    monkeypatch.setattr(layout, "FILES", layout.FILES[:-1])
    assert run("verify", published, *world.believing).code == 8
    assert run("verify", published / "u2netp_mirror_v1.onnx", *world.believing).code == 0

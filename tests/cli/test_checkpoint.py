"""`release-tool checkpoint`, as a shell sees it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from release_tool.rehearsal.exchange import Response
from release_tool.rehearsal.server import LoopbackServer, Route


@pytest.fixture
def shelf(standin) -> Iterator[str]:
    """Serve the stand-in's checkpoint."""
    content = standin.checkpoint.read_bytes()
    routes = [
        Route("GET", "/u2netp.pth", lambda _: Response(200, {}, content)),
        Route("GET", "/away", lambda _: Response(503)),
        Route("GET", "/other", lambda _: Response(200, {}, content[:-1])),
    ]
    with LoopbackServer("shelf", routes) as server:
        yield server.url


def test_the_pinned_checkpoint_is_fetched_once(run, shelf: str, standin, tmp_path: Path):
    to = tmp_path / "u2netp.pth"
    arguments = ["checkpoint", f"{shelf}/u2netp.pth", "--to", to, "--recipe", standin.recipe_file]
    first = run(*arguments, "--json")
    assert first.code == 0, first.err
    assert first.document == {
        "path": str(to),
        "digest": str(standin.recipe.checkpoint.sha256),
        "size_bytes": standin.checkpoint.stat().st_size,
        "reused": False,
    }
    assert to.read_bytes() == standin.checkpoint.read_bytes()
    again = run(*arguments)
    assert again.code == 0
    assert "there already" in again.out


@pytest.mark.parametrize(("name", "code"), [("other", 3), ("missing", 3), ("away", 75)])
def test_what_cannot_be_had_is_told_by_the_exit_code(
    run, shelf: str, standin, tmp_path: Path, name: str, code: int
):
    to = tmp_path / "u2netp.pth"
    result = run("checkpoint", f"{shelf}/{name}", "--to", to, "--recipe", standin.recipe_file)
    assert result.code == code
    assert result.err.count("error:") == 1
    assert not list(tmp_path.iterdir())


def test_a_target_is_needed_and_an_address_where_the_recipe_has_none(run, standin):
    assert run("checkpoint", "https://example.org/x").code == 2
    sourceless = run("checkpoint", "--to", "x", "--recipe", standin.recipe_file)
    assert sourceless.code == 3
    assert "names no source of its checkpoint" in sourceless.err
    assert run("checkpoint", "nonsense", "--to", "x").code == 3

"""From one command: what is not given is fetched by its pins, once, and kept."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from release_tool.recipes.recipe import Recipe
from release_tool.recipes.toml.writing import write_recipe
from release_tool.rehearsal.exchange import Request, Response
from release_tool.rehearsal.server import LoopbackServer, Route

PURE = (
    "u2netp_mirror_v1.onnx",
    "u2netp_mirror_v1.manifest.json",
    "u2netp_mirror_v1.recipe.toml",
    "Apache-2.0-u2netp.txt",
)


@dataclass
class Shelf:
    """A web server that has the checkpoint; it can be switched off."""

    content: bytes
    url: str = ""
    asked: int = 0

    def answer(self, request: Request) -> Response:
        self.asked += 1
        return (
            Response(503)
            if request.parameters["name"] == "dead"
            else Response(200, {}, self.content)
        )


@dataclass(frozen=True)
class Pinned:
    """A recipe that can be released from nothing else, and where its upstream is."""

    recipe: Recipe
    file: Path
    upstream: Path
    shelf: Shelf
    cache: Path

    @property
    def options(self) -> list[str]:
        return ["--recipe", str(self.file), "--cache", str(self.cache)]

    def disconnect(self) -> None:
        """Let nothing be there any more that could be fetched from."""
        self.upstream.rename(self.upstream.with_name("gone"))
        self.shelf.content = b"gone"


@pytest.fixture
def pinned(standin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pinned]:
    monkeypatch.delenv("RELEASE_TOOL_CACHE", raising=False)
    upstream = tmp_path / "origin"
    subprocess.run(["git", "clone", "--quiet", standin.checkout, upstream], check=True)
    shelf = Shelf(standin.checkpoint.read_bytes())
    with LoopbackServer("shelf", [Route("GET", "/{name}", shelf.answer)]) as server:
        shelf.url = server.url
        recipe = replace(
            standin.recipe,
            upstream=replace(standin.recipe.upstream, repo=upstream.as_uri()),
            checkpoint=replace(
                standin.recipe.checkpoint,
                sources=(f"{server.url}/dead", f"{server.url}/u2netp.pth"),
            ),
        )
        file = tmp_path / "pinned.toml"
        file.write_text(write_recipe(recipe))
        yield Pinned(recipe, file, upstream, shelf, tmp_path / "cache")


def test_an_export_needs_nothing_and_a_second_one_no_network(run, pinned, tmp_path):
    first = run("export", *pinned.options, "--out", tmp_path / "first")
    assert first.code == 0, first.err
    assert "source 1 of the checkpoint failed: 127.0.0.1" in first.err
    assert f"fetched the checkpoint from source 2, {pinned.shelf.url}/u2netp.pth" in first.err
    asked = pinned.shelf.asked
    pinned.disconnect()
    second = run("export", *pinned.options, "--out", tmp_path / "second", "--offline")
    assert second.code == 0, second.err
    third = run("export", *pinned.options, "--out", tmp_path / "third")
    assert third.code == 0, third.err
    assert pinned.shelf.asked == asked
    for name in PURE:
        content = (tmp_path / "first" / name).read_bytes()
        assert (tmp_path / "second" / name).read_bytes() == content
        assert (tmp_path / "third" / name).read_bytes() == content


@pytest.mark.parametrize("missing", ["--upstream-dir", "--checkpoint"])
def test_one_of_the_two_can_be_given(run, pinned, standin, tmp_path, missing):
    given = dict(zip(standin.options[:4:2], standin.options[1:4:2], strict=True))
    del given[missing]
    result = run("export", *pinned.options, *next(iter(given.items())), "--out", tmp_path / "dist")
    assert result.code == 0, result.err
    assert bool(pinned.shelf.asked) is (missing == "--checkpoint")
    assert (pinned.cache / "checkouts").exists() is (missing == "--upstream-dir")


def test_with_both_given_no_cache_is_touched(run, pinned, standin, tmp_path):
    result = run("export", *pinned.options, *standin.options[:4], "--out", tmp_path / "dist")
    assert result.code == 0, result.err
    assert not pinned.cache.exists()


def test_the_cache_can_be_named_by_a_variable(run, pinned, tmp_path, monkeypatch):
    monkeypatch.setenv("RELEASE_TOOL_CACHE", str(tmp_path / "named"))
    to = tmp_path / "u2netp.pth"
    result = run("checkpoint", "--to", to, "--recipe", pinned.file)
    assert result.code == 0, result.err
    assert (tmp_path / "named" / "checkpoints").is_dir()
    assert not pinned.cache.exists()


@pytest.mark.parametrize("command", ["export", "rehearse"])
def test_offline_and_nothing_cached_ends_in_advice_and_leaves_nothing(
    run, pinned, tmp_path, command
):
    more = ["--pinned"] if command == "rehearse" else []
    result = run(command, *pinned.options, *more, "--offline", "--out", tmp_path / "dist")
    assert result.code == 3
    assert "offline" in result.err
    assert "run it once without --offline" in result.err
    assert pinned.shelf.asked == 0
    assert not (tmp_path / "dist").exists()
    assert not pinned.cache.exists()


def test_a_rehearsal_of_the_pinned_network_is_asked_for(run, pinned, tmp_path):
    result = run("rehearse", *pinned.options, "--pinned", "--out", tmp_path / "dist")
    assert result.code == 0, result.err
    assert pinned.shelf.asked == 2
    standin = run("rehearse", *pinned.options, "--out", tmp_path / "standin")
    assert standin.code == 0, standin.err
    assert pinned.shelf.asked == 2


@pytest.mark.parametrize("command", ["export", "rehearse"])
def test_what_is_fetched_is_pinned_so_another_checkpoint_has_to_be_given(run, pinned, command):
    result = run(command, *pinned.options, "--unpinned-checkpoint")
    assert result.code == 2
    assert "--checkpoint" in result.err
    assert pinned.shelf.asked == 0


def test_a_whole_release_takes_one_command(run, world, pinned, tmp_path):
    options = [*world.api, *world.signing, "--repo", "rehearsal/u2netp-mirror"]
    result = run("publish", *options, *pinned.options, "--out", tmp_path / "dist")
    assert result.code == 0, result.err
    assert world.releases == ["u2netp-mirror-v1"]


def test_the_checkpoint_is_copied_out_of_the_cache(run, pinned, standin, tmp_path):
    to = tmp_path / "new" / "u2netp.pth"
    arguments = ["checkpoint", "--to", to, *pinned.options]
    first = run(*arguments, "--json")
    assert first.code == 0, first.err
    assert first.document == {
        "path": str(to),
        "digest": str(standin.recipe.checkpoint.sha256),
        "size_bytes": standin.checkpoint.stat().st_size,
        "reused": False,
    }
    assert to.read_bytes() == standin.checkpoint.read_bytes()
    pinned.disconnect()
    assert run(*arguments, "--json").document["reused"] is True
    to.unlink()
    cached = run(*arguments, "--offline", "--json")
    assert cached.document["reused"] is True
    assert to.read_bytes() == standin.checkpoint.read_bytes()


def test_where_every_source_fails_the_exit_code_says_whether_to_wait(run, pinned, tmp_path):
    pinned.shelf.content = b"other"
    result = run("checkpoint", "--to", tmp_path / "x.pth", *pinned.options)
    assert result.code == 75
    assert "answered 503; " in result.err
    for_good = replace(pinned.recipe.checkpoint, sources=(f"{pinned.shelf.url}/u2netp.pth",))
    pinned.file.write_text(write_recipe(replace(pinned.recipe, checkpoint=for_good)))
    result = run("checkpoint", "--to", tmp_path / "x.pth", *pinned.options)
    assert result.code == 3
    assert "the recipe u2netp-rehearsal pins" in result.err
    assert not pinned.cache.exists()
    assert not (tmp_path / "x.pth").exists()


def test_an_address_and_offline_exclude_each_other(run, pinned):
    result = run("checkpoint", f"{pinned.shelf.url}/u2netp.pth", "--to", "x", "--offline")
    assert result.code == 2
    assert pinned.shelf.asked == 0


@pytest.mark.parametrize("what", ["a file", "a full disk"])
def test_a_cache_that_cannot_be_written_is_an_input_error(run, pinned, tmp_path, what):
    cache = tmp_path / "file" if what == "a file" else Path("/dev/full/cache")
    (tmp_path / "file").write_bytes(b"")
    result = run("export", "--recipe", pinned.file, "--cache", cache, "--out", tmp_path / "dist")
    assert result.code == 3 if what != "a file" else result.code in (2, 3)
    assert "Traceback" not in result.err

"""What a recipe pins comes from the cache, else from git and from the sources in their order."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError, ReleaseToolError, TryAgain
from release_tool.core.names import CommitId
from release_tool.core.progress import Silent
from release_tool.recipes.recipe import Recipe
from release_tool.upstream.cache import Cache
from release_tool.upstream.checkout import open_checkout
from release_tool.upstream.clone import Address, clone_commit
from release_tool.upstream.download import FetchedCheckpoint
from release_tool.upstream.refusals import explain_refusal
from release_tool.upstream.sources import fetch_checkout, fetch_from_sources
from tests.upstream.git_server import GitServer, serve_git

CONTENT = b"the weights" * 1000


class Listener(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def server(upstream) -> Iterator[GitServer]:
    with serve_git(upstream.checkout.parent) as running:
        yield running


@pytest.fixture
def recipe(upstream, server) -> Recipe:
    """The stand-in's recipe, which is to be had from the server."""
    base: Recipe = upstream.recipe
    pin = replace(base.upstream, repo=f"{server.url}/upstream/.git")
    checkpoint = replace(
        base.checkpoint,
        sha256=Sha256.of_bytes(CONTENT),
        sources=("https://one.invalid/x", "https://two.invalid/x"),
    )
    return replace(base, upstream=pin, checkpoint=checkpoint)


def contents(directory: Path) -> list[str]:
    """What lies in a directory, git's own files aside."""
    return sorted(
        str(path.relative_to(directory))
        for path in directory.rglob("*")
        if ".git" not in path.parts and path.is_file()
    )


def test_the_pinned_commit_is_fetched_once_and_audited(recipe, cache, server):
    place = fetch_checkout(recipe, cache, os.environ)
    assert open_checkout(place, recipe).commit == recipe.upstream.commit
    assert place == cache.checkout(recipe)
    asked = len(server.asked)
    assert asked > 0
    assert fetch_checkout(recipe, cache, os.environ) == place
    assert fetch_checkout(recipe, cache, os.environ, offline=True) == place
    assert len(server.asked) == asked


def test_nothing_but_the_one_commit_comes(recipe, cache, upstream, git):
    git("commit", "--allow-empty", "--quiet", "-m", "later")
    git("tag", "later")
    place = fetch_checkout(recipe, cache, os.environ)
    commits = git("rev-list", "--all", "HEAD", cwd=place).split()
    assert commits == [str(recipe.upstream.commit)]
    assert git("tag", cwd=place) == ""


def test_a_checkout_on_this_machine_can_be_the_source(upstream, cache):
    pin = replace(upstream.recipe.upstream, repo=upstream.checkout.as_uri())
    recipe = replace(upstream.recipe, upstream=pin)
    open_checkout(fetch_checkout(recipe, cache, os.environ), recipe)


def test_a_damaged_checkout_in_the_cache_is_fetched_anew(recipe, cache):
    place = fetch_checkout(recipe, cache, os.environ)
    (place / "README.md").write_text("changed")
    with pytest.raises(InputError, match=r"offline.* not clean: 'README.md'"):
        fetch_checkout(recipe, cache, os.environ, offline=True)
    listener = Listener()
    open_checkout(fetch_checkout(recipe, cache, os.environ, progress=listener), recipe)
    assert "fetched anew" in listener.notes[0]
    assert [path.name for path in place.parent.iterdir()] == ["upstream"]


def test_what_is_not_the_audited_project_is_not_kept(recipe, cache):
    pin = replace(recipe.upstream, modules=(("model/u2net.py", Sha256("00" * 32)),))
    with pytest.raises(InputError, match="is not the audited one"):
        fetch_checkout(replace(recipe, upstream=pin), cache, os.environ)
    assert contents(cache.directory) == []


def test_offline_and_not_in_the_cache_is_an_input_error(recipe, cache, server):
    with pytest.raises(InputError, match="offline") as refusal:
        fetch_checkout(recipe, cache, os.environ, offline=True)
    assert "--offline" in str(refusal.value.hint)
    assert server.asked == []
    assert not cache.directory.exists()


def answer(server: GitServer, name: str) -> None:
    match name:
        case "cut":
            server.cut_after = 300
        case "moved":
            server.status, server.location = 301, f"{server.url}/upstream/.git/info/refs"
        case "login":
            server.status = 401
        case _:
            server.status = int(name)


@pytest.mark.parametrize(
    ("name", "error", "reason"),
    [
        ("cut", TryAgain, "git could not fetch"),
        ("moved", InputError, "has moved"),
        ("login", InputError, "without an account"),
        ("403", InputError, "without an account"),
        ("404", InputError, "not there"),
        ("429", TryAgain, "429"),
        ("503", TryAgain, "503"),
    ],
)
def test_a_server_that_does_not_give_it_leaves_nothing(
    recipe, cache, server, name: str, error: type[ReleaseToolError], reason: str
):
    answer(server, name)
    with pytest.raises(error, match=reason) as refusal:
        fetch_checkout(recipe, cache, os.environ)
    assert "\n" not in str(refusal.value)
    assert not cache.directory.exists()


def test_a_commit_that_is_not_there_is_no_matter_of_time(recipe, cache):
    pin = replace(recipe.upstream, commit=CommitId("12" * 20))
    with pytest.raises(InputError, match="does not have the pinned commit"):
        fetch_checkout(replace(recipe, upstream=pin), cache, os.environ)


@pytest.mark.parametrize(
    "variables",
    [{"https_proxy": "http://127.0.0.1:1"}, {"ALL_PROXY": "http://127.0.0.1:1"}],
)
def test_a_dead_proxy_is_worth_another_attempt(recipe, cache, variables):
    pin = replace(recipe.upstream, repo="https://example.invalid/U-2-Net")
    with pytest.raises(TryAgain, match=r"127\.0\.0\.1 port 1"):
        fetch_checkout(
            replace(recipe, upstream=pin), cache, {"PATH": os.environ["PATH"], **variables}
        )
    assert not cache.directory.exists()


def test_a_proxy_of_the_environment_never_sees_loopback(recipe, cache):
    proxy = {"http_proxy": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"}
    fetch_checkout(recipe, cache, {"PATH": os.environ["PATH"], **proxy})


def test_a_server_that_says_nothing_is_given_up(recipe, server, tmp_path: Path):
    server.stalls = True
    with pytest.raises(TryAgain, match="too slow"):
        clone_commit(
            recipe.upstream.repo,
            recipe.upstream.commit,
            tmp_path / "new",
            os.environ,
            silence_seconds=0.5,
        )
    assert server.left.wait(60)


def test_a_pack_that_is_too_large_is_refused(upstream, tmp_path: Path, git):
    (upstream.checkout / "large").write_bytes(os.urandom(200_000))
    git("add", "large")
    git("commit", "--quiet", "-m", "large")
    commit = CommitId(git("rev-parse", "HEAD"))
    with pytest.raises(InputError, match="larger than allowed"):
        clone_commit(
            upstream.checkout.as_uri(), commit, tmp_path / "new", os.environ, limit_bytes=100_000
        )


def test_a_file_of_the_checkout_that_is_too_large_is_refused(upstream, tmp_path: Path, git):
    (upstream.checkout / "large").write_bytes(bytes(200_000))
    git("add", "large")
    git("commit", "--quiet", "-m", "large")
    commit = CommitId(git("rev-parse", "HEAD"))
    with pytest.raises(InputError, match="git could not fetch"):
        clone_commit(
            upstream.checkout.as_uri(), commit, tmp_path / "new", os.environ, limit_bytes=100_000
        )


def test_what_a_server_remarks_does_not_decide_what_it_means():
    said = b"remote: No space left on device\rremote: fatal: not our ref\nfatal: early EOF\n"
    error = explain_refusal(said, "https://example.org/x")
    assert isinstance(error, TryAgain)
    assert str(error) == "git could not fetch https://example.org/x: early EOF"


@pytest.mark.parametrize(
    "said",
    [
        b"Receiving objects: 5% (11/218)\rfatal: write error: No space left on device\nfatal: x\n",
        b"fatal: sha1 file '/c/.git/index.lock' write error. Out of diskspace\n",
    ],
)
def test_a_full_disk_is_no_matter_of_time(said: bytes):
    error = explain_refusal(said, "https://example.org/x")
    assert isinstance(error, InputError)
    assert "there is no room for it" in str(error)
    assert "make room" in str(error.hint)
    assert "\n" not in str(error)


def test_an_interruption_ends_git_and_leaves_nothing(recipe, cache, server):
    server.stalls = True

    def interrupt() -> None:
        assert server.stalled.wait(60)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        fetch_checkout(recipe, cache, os.environ)
    thread.join()
    assert server.left.wait(60)
    assert not cache.directory.exists()


def test_what_a_killed_run_left_goes_with_the_next(recipe, cache):
    left = cache.checkout(recipe).parent / "release-tool-0123" / "new"
    left.mkdir(parents=True)
    (left / "half").write_bytes(b"half")
    place = fetch_checkout(recipe, cache, os.environ)
    assert [path.name for path in place.parent.iterdir()] == ["upstream"]


def test_two_runs_at_once_fetch_once(recipe, cache, server):
    places: list[Path] = []
    threads = [
        threading.Thread(target=lambda: places.append(fetch_checkout(recipe, cache, os.environ)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert places == [cache.checkout(recipe)] * 2
    assert sum("git-upload-pack" in path and "info" in path for path in server.asked) == 1


def test_nothing_of_the_user_is_obeyed_or_sent(recipe, cache, server, tmp_path, monkeypatch):
    """Configuration, hooks, credentials, cookies and filters are all there and all ignored."""
    home = tmp_path / "home"
    home.mkdir()
    witness = tmp_path / "executed"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {witness}\ncat\n")
    program.chmod(0o755)
    host = server.url.removeprefix("http://").partition(":")[0]
    (home / ".netrc").write_text(f"machine {host} login user password secret\n")
    (home / ".gitconfig").write_text(
        f"[core]\n\tautocrlf = true\n\thooksPath = {tmp_path}\n\tsshCommand = {program}\n"
        f'[credential]\n\thelper = "!{program}"\n[http]\n\textraHeader = "Cookie: secret"\n'
        f'[init]\n\ttemplateDir = {tmp_path}\n[filter "lfs"]\n\tsmudge = {program}\n'
        f'[url "{server.url}/nowhere"]\n\tinsteadOf = {server.url}\n'
    )
    (tmp_path / "post-checkout").write_text(program.read_text())
    (tmp_path / "post-checkout").chmod(0o755)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_ASKPASS", str(program))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    place = fetch_checkout(recipe, cache, os.environ)
    assert b"\r" not in (place / "model" / "u2net.py").read_bytes()
    assert not witness.exists()
    for sent in server.headers:
        assert not {"cookie", "authorization"} & set(sent)
    # The same configuration does count when git is asked naively.
    done = subprocess.run(
        ["git", "ls-remote", recipe.upstream.repo],
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        capture_output=True,
        check=False,
    )
    assert done.returncode != 0
    assert any(sent.get("cookie") == "secret" for sent in server.headers)


@pytest.mark.parametrize(
    "text",
    [
        "", "U-2-Net", "/etc", "ssh://git@example.org/x", "git://example.org/x", "ext::sh -c id",
        "http://example.org/x", "file://example.org/x", "https://", "https://a b/", "https://[",
        "https://example.org/x\n", "-c", "git@github.com:x/y",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_repository_is_refused(text: str):
    with pytest.raises(InputError, match="not an https address"):
        Address.parse(text)


def test_a_repository_address_with_a_password_is_refused_without_repeating_it():
    with pytest.raises(InputError, match="password") as refusal:
        Address.parse("https://user:secret@example.org/x")
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("text", ["https://example.org/x", "http://localhost:1/x", "file:///x"])
def test_https_and_this_machine_are_accepted(text: str):
    assert Address.parse(text).local is ("example" not in text)


class Sources:
    """Answers for addresses, and a record of which were asked."""

    def __init__(self, answers: dict[str, ReleaseToolError | bytes]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def fetch(self, source: str, to: Path) -> FetchedCheckpoint:
        self.asked.append(source)
        found = self.answers[source]
        if isinstance(found, ReleaseToolError):
            raise found
        to.write_bytes(found)
        return FetchedCheckpoint(to, len(found), Sha256.of_bytes(found), reused=False)


ONE, TWO = "https://one.invalid/x", "https://two.invalid/x"


def test_the_second_source_serves_where_the_first_is_dead_and_that_is_said(recipe, cache):
    sources = Sources({ONE: TryAgain("one.invalid is dead"), TWO: CONTENT})
    listener = Listener()
    found = fetch_from_sources(sources.fetch, recipe, cache, progress=listener)
    assert found.path.read_bytes() == CONTENT
    assert sources.asked == [ONE, TWO]
    assert listener.notes[0] == "source 1 of the checkpoint failed: one.invalid is dead"
    assert TWO in listener.notes[1]
    assert fetch_from_sources(sources.fetch, recipe, cache, offline=True).reused
    assert sources.asked == [ONE, TWO]


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        (TryAgain("a"), InputError("b"), TryAgain),
        (InputError("a"), TryAgain("b"), TryAgain),
        (InputError("a"), InputError("b"), InputError),
    ],
)
def test_where_no_source_gives_it_the_error_names_them_all(recipe, cache, first, second, kind):
    with pytest.raises(kind, match="a; b") as refusal:
        fetch_from_sources(Sources({ONE: first, TWO: second}).fetch, recipe, cache)
    assert type(refusal.value) is kind
    assert not cache.directory.exists()


def test_a_damaged_checkpoint_in_the_cache_is_fetched_anew(recipe, cache):
    sources = Sources({ONE: CONTENT, TWO: CONTENT})
    place = fetch_from_sources(sources.fetch, recipe, cache).path
    place.write_bytes(CONTENT[:-1])
    with pytest.raises(InputError, match="offline"):
        fetch_from_sources(sources.fetch, recipe, cache, offline=True)
    assert not fetch_from_sources(sources.fetch, recipe, cache).reused
    assert place.read_bytes() == CONTENT


def test_a_recipe_without_sources_says_what_to_give(recipe, cache):
    bare = replace(recipe, checkpoint=replace(recipe.checkpoint, sources=()))
    with pytest.raises(InputError, match="names no source") as refusal:
        fetch_from_sources(Sources({}).fetch, bare, cache)
    assert "--checkpoint" in str(refusal.value.hint)

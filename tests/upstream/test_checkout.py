"""An upstream checkout is audited, and nothing in it is ever executed."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError
from release_tool.core.names import CommitId
from release_tool.recipes.parity import SampleFile
from release_tool.recipes.recipe import Recipe
from release_tool.recipes.saliency import sample
from release_tool.rehearsal.upstream import COMMIT, MODULE, make_upstream
from release_tool.upstream.checkout import open_checkout
from release_tool.upstream.git import open_repository


def refused(directory: Path, recipe: Recipe, words: str) -> InputError:
    with pytest.raises(InputError, match=words) as caught:
        open_checkout(directory, recipe)
    return caught.value


def repin(recipe: Recipe, commit: str) -> Recipe:
    upstream = replace(recipe.upstream, commit=CommitId(commit))
    return replace(recipe, upstream=upstream)


def test_a_clean_checkout_at_the_pinned_commit_is_accepted(upstream):
    checkout = open_checkout(upstream.checkout, upstream.recipe)
    assert checkout.commit == COMMIT
    assert checkout.modules == {"model/u2net.py": MODULE.encode()}
    assert checkout.license.lstrip().startswith(b"Apache License")
    assert checkout.notice is None
    assert checkout.repo == upstream.recipe.upstream.repo


def test_a_missing_directory_is_named(upstream, tmp_path):
    refused(tmp_path / "nowhere", upstream.recipe, "no checkout at .*nowhere")


def test_a_file_is_no_checkout(upstream):
    refused(upstream.checkpoint, upstream.recipe, "not a directory")


def test_a_directory_without_git_is_refused(upstream, tmp_path):
    (tmp_path / "plain").mkdir()
    refused(tmp_path / "plain", upstream.recipe, "not a git repository")


def test_a_subfolder_of_a_repository_is_refused(upstream):
    refused(upstream.checkout / "model", upstream.recipe, "not a git repository")


def test_a_repository_whose_work_tree_lies_elsewhere_is_refused(upstream, git, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    git("config", "core.worktree", str(tmp_path / "elsewhere"))
    refused(upstream.checkout, upstream.recipe, "not the top of its git repository|not a git")


def test_a_repository_without_a_commit_is_refused(upstream, git, tmp_path):
    (tmp_path / "fresh").mkdir()
    git("init", "--quiet", cwd=tmp_path / "fresh")
    refused(tmp_path / "fresh", upstream.recipe, "not a git repository with a commit")


def test_another_commit_is_refused_and_both_are_named(upstream, git):
    git("commit", "--allow-empty", "--quiet", "-m", "more")
    error = refused(upstream.checkout, upstream.recipe, f"pins {COMMIT}")
    assert git("rev-parse", "HEAD") in error.message
    assert error.hint is not None
    assert str(COMMIT) in error.hint


def test_a_replacement_object_does_not_fake_the_commit(upstream, git):
    git("commit", "--allow-empty", "--quiet", "-m", "more")
    git("replace", "HEAD", str(COMMIT))
    refused(upstream.checkout, upstream.recipe, f"pins {COMMIT}")


def test_a_changed_module_is_refused(upstream):
    (upstream.checkout / "model/u2net.py").write_text(MODULE + "\n# changed\n")
    refused(upstream.checkout, upstream.recipe, "model/u2net.py of the checkout is not the audited")


def test_a_checkout_with_converted_line_endings_is_refused_with_advice(upstream, git):
    git("config", "core.autocrlf", "true")
    for path in ("model/u2net.py", "README.md", "LICENSE"):
        (upstream.checkout / path).unlink()
    git("checkout", "--", ".")
    assert b"\r\n" in (upstream.checkout / "model/u2net.py").read_bytes()
    error = refused(upstream.checkout, upstream.recipe, "other line endings than the audited")
    assert "git clone -c core.autocrlf=false" in str(error.hint)
    assert "line endings" in str(error.hint)


def test_a_changed_module_is_seen_even_if_the_index_is_told_to_look_away(upstream, git):
    git("update-index", "--assume-unchanged", "model/u2net.py")
    (upstream.checkout / "model/u2net.py").write_text(MODULE + "\n# changed\n")
    refused(upstream.checkout, upstream.recipe, "is not the audited")


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_index_bits_that_hide_changes_are_refused(upstream, git, flag):
    git("update-index", flag, "README.md")
    (upstream.checkout / "README.md").write_text("changed")
    refused(upstream.checkout, upstream.recipe, "index hides changes to 'README.md'")


def test_a_changed_file_is_refused(upstream):
    (upstream.checkout / "README.md").write_text("changed")
    refused(upstream.checkout, upstream.recipe, "not clean: 'README.md'")


def test_a_deleted_file_is_refused(upstream):
    (upstream.checkout / "README.md").unlink()
    refused(upstream.checkout, upstream.recipe, "not clean: 'README.md'")


def test_a_staged_change_is_refused(upstream, git):
    (upstream.checkout / "README.md").write_text("changed")
    git("add", "README.md")
    refused(upstream.checkout, upstream.recipe, "not clean")


def test_untracked_files_count_even_if_the_repository_hides_them(upstream, git):
    for number in range(5):
        (upstream.checkout / f"extra{number}.py").write_text("x = 1")
    (upstream.checkout / ".git/info").mkdir(exist_ok=True)
    (upstream.checkout / ".git/info/exclude").write_text("extra*\n")
    git("config", "status.showUntrackedFiles", "no")
    refused(upstream.checkout, upstream.recipe, "'extra0.py'.* and 2 more")


def test_the_checkpoint_may_lie_where_upstream_wants_it(upstream):
    place = upstream.checkout / upstream.recipe.checkpoint.path
    place.parent.mkdir(parents=True)
    place.write_bytes(b"anything")
    open_checkout(upstream.checkout, upstream.recipe)


def test_a_sparse_checkout_is_accepted(upstream, git):
    git("update-index", "--refresh")
    git("sparse-checkout", "set", "--no-cone", "/LICENSE", "/model/")
    assert not (upstream.checkout / "README.md").exists()
    open_checkout(upstream.checkout, upstream.recipe)


def test_a_linked_work_tree_is_accepted(upstream, git, tmp_path):
    git("worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"))
    open_checkout(tmp_path / "linked", upstream.recipe)


def test_a_link_to_the_checkout_is_accepted(upstream, tmp_path):
    (tmp_path / "link").symlink_to(upstream.checkout)
    open_checkout(tmp_path / "link", upstream.recipe)


def test_a_license_that_is_mit_is_refused_by_what_it_says(upstream):
    (upstream.checkout / "LICENSE").write_text("MIT License\n\nPermission is hereby granted")
    refused(
        upstream.checkout,
        upstream.recipe,
        "LICENSE: it is not the Apache License 2.0: it begins",
    )


def test_an_altered_clause_is_named(upstream):
    path = upstream.checkout / "LICENSE"
    path.write_text(path.read_text().replace("royalty-free", "royalty-bearing", 1))
    refused(upstream.checkout, upstream.recipe, "'royalty-bearing")


def test_another_copyright_line_is_not_the_audited_file(upstream):
    path = upstream.checkout / "LICENSE"
    path.write_text(path.read_text().replace("[yyyy]", "2020"))
    refused(upstream.checkout, upstream.recipe, "LICENSE of the checkout is not the audited")


def test_a_missing_license_is_named(upstream):
    (upstream.checkout / "LICENSE").unlink()
    refused(upstream.checkout, upstream.recipe, "LICENSE")


def test_a_module_that_is_a_link_out_of_the_checkout_is_refused(upstream, tmp_path):
    (tmp_path / "evil.py").write_text(MODULE)
    path = upstream.checkout / "model/u2net.py"
    path.unlink()
    path.symlink_to(tmp_path / "evil.py")
    refused(upstream.checkout, upstream.recipe, "leads out of it")


def test_a_notice_comes_from_the_commit(upstream, git):
    (upstream.checkout / "NOTICE.txt").write_text("thanks\n")
    git("add", "NOTICE.txt")
    git("commit", "--quiet", "-m", "notice")
    recipe = repin(upstream.recipe, git("rev-parse", "HEAD"))
    checkout = open_checkout(upstream.checkout, recipe)
    assert (checkout.notice, checkout.notice_path) == (b"thanks\n", "NOTICE.txt")


def test_two_notices_are_refused(upstream, git):
    for name in ("NOTICE", "notice.md"):
        (upstream.checkout / name).write_text("thanks\n")
    git("add", ".")
    git("commit", "--quiet", "-m", "notices")
    recipe = repin(upstream.recipe, git("rev-parse", "HEAD"))
    refused(upstream.checkout, recipe, "more than one NOTICE: NOTICE, notice.md")


def test_a_notice_that_is_a_link_is_refused(upstream, git):
    (upstream.checkout / "NOTICE").symlink_to("README.md")
    git("add", ".")
    git("commit", "--quiet", "-m", "notice")
    recipe = repin(upstream.recipe, git("rev-parse", "HEAD"))
    refused(upstream.checkout, recipe, "NOTICE of the checkout is not a regular file")


def test_an_enormous_notice_is_refused(upstream, git):
    (upstream.checkout / "NOTICE").write_bytes(b"x" * (4 * 1024 * 1024 + 1))
    git("add", ".")
    git("commit", "--quiet", "-m", "notice")
    recipe = repin(upstream.recipe, git("rev-parse", "HEAD"))
    refused(upstream.checkout, recipe, "NOTICE of the checkout is larger")


def test_a_broken_repository_is_an_input_error(upstream, git):
    tree = git("rev-parse", "HEAD^{tree}")
    (upstream.checkout / ".git/objects" / tree[:2] / tree[2:]).unlink()
    refused(upstream.checkout, upstream.recipe, "git could not read")


def test_nothing_that_the_repository_configures_is_executed(upstream, git, tmp_path):
    """Monitor, filter, hooks, textconv, pager and attributes are all set and all ignored."""
    witness = tmp_path / "executed"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {witness}\ncat\n")
    program.chmod(0o755)
    hooks = upstream.checkout / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for name in (
        "post-index-change",
        "fsmonitor-watchman",
        "post-checkout",
        "reference-transaction",
    ):
        (hooks / name).write_text(program.read_text())
        (hooks / name).chmod(0o755)
    (upstream.checkout / ".git/info").mkdir(exist_ok=True)
    (upstream.checkout / ".git/info/attributes").write_text("* filter=evil diff=evil\n")
    for key in ("filter.evil.clean", "filter.evil.process", "diff.evil.textconv", "core.pager",
                "core.fsmonitor", "core.sshCommand", "pager.status"):  # fmt: skip
        git("config", key, str(program))
    os.utime(upstream.checkout / "README.md", (1, 1))  # so that its content has to be compared
    witness.unlink(missing_ok=True)
    open_checkout(upstream.checkout, upstream.recipe)
    assert not witness.exists()
    # The same configuration does execute the program when git is asked naively.
    git("status", "--porcelain")
    assert witness.exists()


def test_variables_of_the_user_do_not_redirect_git(upstream, git, tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    git("init", "--quiet", cwd=tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other/.git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "nothing"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.worktree")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(tmp_path))
    open_checkout(upstream.checkout, upstream.recipe)


def test_a_missing_git_is_said_plainly(upstream, monkeypatch):
    monkeypatch.setenv("PATH", "")
    refused(upstream.checkout, upstream.recipe, "git is not installed")


def test_the_checkout_is_not_touched_by_the_audit(upstream):
    before = {path: path.stat().st_mtime_ns for path in upstream.checkout.rglob("*")}
    open_checkout(upstream.checkout, upstream.recipe)
    assert {path: path.stat().st_mtime_ns for path in upstream.checkout.rglob("*")} == before


def test_no_borrowed_directory_stays_behind(upstream, tmp_path, monkeypatch):
    with open_repository(upstream.checkout) as repository:
        borrowed = Path(repository.variables["GIT_DIR"])
        assert borrowed.is_dir()
    assert not borrowed.exists()


def test_the_stand_in_is_the_same_in_any_directory(upstream, tmp_path):
    second = make_upstream(tmp_path / "second")
    assert second.recipe == upstream.recipe
    assert Sha256.of_file(second.checkpoint) == Sha256.of_file(upstream.checkpoint)


@pytest.mark.parametrize("entry", ["", "."])
def test_a_git_that_lies_in_the_checkout_is_never_run(upstream, monkeypatch, entry):
    """A review's find: PATH with an empty entry means the working directory."""
    thief = upstream.checkout / "git"
    thief.write_text("#!/bin/sh\ntouch ran\n")
    thief.chmod(0o755)
    monkeypatch.setenv("PATH", f"{entry}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(InputError, match="'git'"):
        open_checkout(upstream.checkout, upstream.recipe)
    assert not (upstream.checkout / "ran").exists()


def test_the_pictures_that_a_recipe_pins_are_read_and_held_against_their_digests(upstream):
    content = (upstream.checkout / "README.md").read_bytes()
    picture = SampleFile("README.md", Sha256.of_bytes(content))
    samples = (sample(8, 8, picture), sample(9, 9, picture))
    recipe = replace(upstream.recipe, parity=replace(upstream.recipe.parity, samples=samples))
    assert open_checkout(upstream.checkout, recipe).files == {"README.md": content}
    other = replace(picture, sha256=Sha256.of_bytes(b""))
    parity = replace(recipe.parity, samples=(sample(8, 8, other),))
    refused(upstream.checkout, replace(recipe, parity=parity), "README.md of the checkout is not")
    gone = replace(recipe.parity, samples=(sample(8, 8, replace(picture, path="a.png")),))
    refused(upstream.checkout, replace(recipe, parity=gone), "a.png")

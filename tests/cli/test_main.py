"""The program's manners: help, errors, colours, interruption, output that is not a terminal."""

import json
import os
import pty
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from release_tool.cli.bars import show_bar
from release_tool.cli.configuration import Configuration, open_configuration
from release_tool.cli.state import State, encode_document, escape_annotation, markdown
from release_tool.core.documents import parse_json_object
from release_tool.core.errors import InputError


def program(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "release_tool", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_help_imports_no_command():
    script = (
        "import sys\n"
        "from release_tool.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'onnx', 'sigstore', 'httpx', 'cryptography', 'pydantic', 'rich'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, check=False
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "rehearse" in finished.stdout


def test_the_version_is_printed():
    assert program("--version").stdout.startswith("release-tool, version 0.")


@pytest.mark.parametrize(
    "arguments", [[], ["nonsense"], ["verify"], ["verify", "--nonsense"], ["sign", "a", "b"]]
)
def test_a_wrong_command_exits_2_and_says_how_to_get_help(run, arguments: list[str]):
    result = run(*arguments)
    assert result.code == 2
    assert "--help" in result.err or "Usage:" in result.out + result.err


def test_an_unreadable_configuration_is_refused(run, tmp_path: Path):
    result = run("check", "x.onnx", "--config", tmp_path / "none.toml")
    assert result.code == 3
    assert "cannot read" in result.err


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("colour = 'red'", "unknown key colour"),
        ("recipe = 3", "recipe should be text"),
        ("publisher = 3", "publisher is not a table"),
        ("[publisher]\nrefs = ['refs/heads/main']", "publisher.repo is missing"),
        ("[publisher]\nrepo = 'a/b'\nrefs = 'refs/heads/main'", "should be a list of strings"),
        ("[publisher]\nrepo = 'a/b'\nrefs = []", "no ref that may sign"),
        ("[publisher]\nrepo = 'a/b'\nrefs = ['refs/heads/*']", "not a full git ref"),
        ("[publisher]\nrepo = 'a/b'\nowner_id = 'x'", "not a numeric id"),
        ("[publisher]\nrepo = 'a/b'\nrepo_id = 7", "publisher.repo_id should be text"),
        ("[publisher]\nrepo = 'x'", "not a repository"),
        ("[publisher]\nrepo = 'a/b'\ncolour = 'red'", "unknown key publisher.colour"),
        ("nonsense", "is not a configuration"),
    ],
)
def test_a_malformed_configuration_is_refused(tmp_path: Path, content: str, reason: str):
    path = tmp_path / "release-tool.toml"
    path.write_text(content)
    with pytest.raises(InputError, match=reason):
        open_configuration(path)


def test_a_configuration_fills_in_what_it_leaves_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    assert open_configuration(None) == Configuration()
    Path("release-tool.toml").write_text(
        "recipe = 'u2net'\ngithub_api = 'http://127.0.0.1:1'\n[publisher]\nrepo = 'a/b'\n"
    )
    found = open_configuration(None)
    assert (found.recipe, found.github_api) == ("u2net", "http://127.0.0.1:1")
    assert found.publisher is not None
    assert found.publisher.workflow == "release.yml"
    assert found.publisher.refs == ("refs/heads/main",)
    assert (found.publisher.owner_id, found.publisher.repo_id) == (None, None)


def test_an_interruption_exits_130(run, monkeypatch: pytest.MonkeyPatch):
    def interrupt(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("release_tool.cli.commands.check.check_contract", interrupt)
    result = run("check", "x.onnx")
    assert result.code == 130
    assert "error: interrupted" in result.err


def test_termination_is_an_interruption_too():
    script = (
        "import os, signal\n"
        "import release_tool.cli.commands.check as check\n"
        "check.check_contract = lambda *_: os.kill(os.getpid(), signal.SIGTERM)\n"
        "from release_tool.cli.main import main\n"
        "main(['check', 'x.onnx'])\n"
    )
    finished = subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 130
    assert signal.getsignal(signal.SIGTERM) is not None


def test_a_bug_of_ours_shows_its_traceback_and_exits_1():
    script = (
        "import release_tool.cli.commands.check as check\n"
        "check.check_contract = lambda *_: 1 / 0\n"
        "from release_tool.cli.main import main\n"
        "main(['check', 'x.onnx'])\n"
    )
    for option, documents in (("'x.onnx'", 0), ("'x.onnx', '--json'", 1)):
        finished = subprocess.run(
            [sys.executable, "-P", "-c", script.replace("'x.onnx'", option)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 1
        assert "ZeroDivisionError" in finished.stderr
        errors = [json.loads(finished.stdout)["error"]] if finished.stdout else []
        assert [error["exit_code"] for error in errors] == [1] * documents


@pytest.mark.parametrize(
    ("arguments", "message", "see"),
    [
        (["--json"], "No such option '--json'", " --help"),
        (["nonsense", "--json"], "No such command 'nonsense'", " --help"),
        (["verify", "--json"], "Missing argument 'MODEL...'", "verify --help"),
        (["verify", "--nonsense", "--json"], "No such option '--nonsense'", "verify --help"),
        (
            ["verify", "x", "--json", "--bundle", ""],
            "Invalid value for '--bundle'",
            "verify --help",
        ),
        (["sign", "--json", "a", "b"], "Got unexpected extra argument (b)", "sign --help"),
        (["fetch", "--json", "a/b"], "not a release: 'a/b'", "OWNER/NAME@TAG"),
    ],
)
def test_with_json_a_wrong_command_prints_one_document(run, arguments, message, see):
    result = run(*arguments)
    assert result.code == 2
    error = result.document["error"]
    assert set(error) == {"exit_code", "message", "hint"}
    assert error["exit_code"] == 2
    assert error["message"].startswith(message)
    assert error["hint"].endswith(see)
    assert message in result.err


def test_without_json_among_the_options_a_wrong_command_prints_no_document(run):
    assert run("sign", "a", "--", "--json").out == ""
    assert run("verify", "--nonsense").out == ""


def test_under_actions_an_error_is_an_annotation(run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    result = run("check", "none.onnx")
    assert "::error title=release-tool::" in result.err


def test_an_annotation_stays_on_one_line():
    assert escape_annotation("50%\r\nof it") == "50%25%0D%0Aof it"


def on_a_terminal(*arguments: str, **environment: str) -> str:
    """Run the program with stderr on a pseudo-terminal and return what a person sees."""
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "release_tool", *arguments],
        stderr=follower,
        stdout=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "TERM": "xterm", **environment},
    ):
        os.close(follower)
        seen = b""
        while True:
            try:
                part = os.read(leader, 4096)
            except OSError:
                break
            if not part:
                break
            seen += part
    os.close(leader)
    return seen.decode()


def test_a_terminal_gets_colours_unless_it_wants_none():
    assert "\x1b[" in on_a_terminal("check", "none.onnx")
    assert "\x1b[" not in on_a_terminal("check", "none.onnx", NO_COLOR="1")


def test_on_a_terminal_a_long_stage_has_a_bar(standin, tmp_path: Path):
    seen = on_a_terminal("export", *standin.options, "--out", str(tmp_path / "out"))
    assert "━" in seen
    assert "✓" in seen


def test_a_bar_counts_bytes_or_steps(capfd):
    for total in (5, 50_000):
        with show_bar("thing", total, color=False) as advance:
            advance(total)
    assert "thing" in capfd.readouterr().err


def test_elsewhere_a_bar_is_one_line(capfd):
    state = State()
    with state.bar("model.onnx", 10) as advance:
        advance(10)
    assert capfd.readouterr().err == "  model.onnx\n"


def test_quiet_says_nothing_of_its_stages(capfd):
    state = State(quiet=True)
    with state.stage("a"), state.bar("b", 1):
        state.note("c")
    state.print_result({}, [("a", "b")])
    assert capfd.readouterr() == ("", "")


def test_under_actions_a_result_becomes_part_of_the_job_summary(
    run, rehearsed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert run("verify", rehearsed.model, *rehearsed.believing).code == 0
    assert "| `verified` | `u2netp_mirror_v1.onnx` |" in summary.read_text()


def test_a_summary_that_cannot_be_written_costs_neither_the_result_nor_the_exit_code(
    run, rehearsed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    for place in (tmp_path, tmp_path / "none" / "summary.md", Path("/dev/full")):
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(place))
        result = run("inspect", rehearsed.model, "--json")
        assert result.code == 0, result.err
        assert result.document
        assert "the job's summary cannot be written: " in result.err


def test_a_document_with_a_file_name_that_is_no_text_is_read_by_our_own_reader():
    name = os.fsdecode(b"\xff.onnx")
    document = parse_json_object(encode_document({"model": name}).encode(), "the document")
    assert document == {"model": "\\udcff.onnx"}


def test_a_name_that_is_no_text_stands_in_the_summary_escaped(tmp_path: Path, capfd):
    state = State(summary=tmp_path / "summary.md")
    state.print_result({}, [("file", os.fsdecode(b"\xff.onnx"))])
    assert "| `file` | `\\udcff.onnx` |" in (tmp_path / "summary.md").read_text()


def test_a_summary_is_never_formatted_by_what_it_holds():
    text = markdown([("a", "x | y `z` <b>"), ("", ""), ("b", "line\nbreak")])
    assert "| `a` | `x \\| y 'z' <b>` |" in text
    assert "| `b` | `line break` |" in text
    assert text.count("|---|---|") == 2


def shell(command: str, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
    script = command.replace("PROGRAM", f"{shlex.quote(sys.executable)} -P -m release_tool")
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {script}", "bash", *arguments],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ('PROGRAM inspect "$1" > /dev/full', 3),
        ('PROGRAM inspect "$1" >&-', 3),
        ('PROGRAM inspect "$1" --json >&-', 3),
        ('PROGRAM inspect "$1" 2> /dev/full', 0),
        ('PROGRAM inspect "$1" 2>&-', 0),
        ("PROGRAM inspect /nonexistent 2>&-", 3),
    ],
)
def test_output_that_goes_nowhere_is_no_bug_of_ours(rehearsed, command: str, code: int):
    finished = shell(command, str(rehearsed.model))
    assert finished.returncode == code, finished.stderr
    assert "Traceback" not in finished.stderr


def test_a_reader_that_went_away_is_an_interruption(rehearsed):
    finished = shell('PROGRAM inspect "$1" | true; exit ${PIPESTATUS[0]}', str(rehearsed.model))
    assert finished.returncode in (0, 130), finished.stderr
    assert "Traceback" not in finished.stderr


def test_a_name_that_is_no_text_or_holds_a_line_feed_stays_on_one_line(run):
    for name in ("a\nerror: b.onnx", "\x1b[31mred.onnx", os.fsdecode(b"\xff.onnx")):
        result = run("check", name, "--json")
        assert result.code == 3
        assert len(result.err.splitlines()) == 1, result.err
        assert result.document["error"]["exit_code"] == 3


def test_an_unreadable_working_directory_is_no_bug_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)

    def refuse(_path: object, _limit: int) -> bytes:
        raise InputError("cannot read") from PermissionError(13, "denied")

    monkeypatch.setattr("release_tool.cli.configuration.read_limited", refuse)
    assert open_configuration(None) == Configuration()
    with pytest.raises(InputError):
        open_configuration(tmp_path / "named.toml")

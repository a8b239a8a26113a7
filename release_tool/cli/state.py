"""How this run talks to its user: results on stdout, everything else on stderr.

Holds what `--json`, `--verbose`, `--quiet` and the terminal decide, for any command.
"""

import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Self

import click

from release_tool.core.errors import InputError, Interrupted, ReleaseToolError
from release_tool.core.files import reason
from release_tool.core.progress import Advance

LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
Row = tuple[str, str]
BLANK: Row = ("", "")


@dataclass(slots=True)
class State:
    """What prints for a command, which prints in no other way. It is a `Progress`.

    `answered` says that the one JSON document is out, so that an error does not print a second.
    """

    json: bool = False
    verbose: bool = False
    quiet: bool = False
    terminal: bool = False
    color: bool = False
    actions: bool = False
    answered: bool = False
    summary: Path | None = None

    @classmethod
    def of_terminal(cls) -> Self:
        """Look once at what stderr is and what the environment asks for."""
        terminal = sys.stderr is not None and sys.stderr.isatty()
        color = terminal and not os.environ.get("NO_COLOR")
        actions = os.environ.get("GITHUB_ACTIONS") == "true"
        summary = os.environ.get("GITHUB_STEP_SUMMARY") if actions else None
        return cls(
            terminal=terminal,
            color=color,
            actions=actions,
            summary=Path(summary) if summary else None,
        )

    def say(self, text: str, **style: Any) -> None:
        """Write one line to stderr."""
        styled = click.style(printable(text), **style) if style else printable(text)
        # A closed stderr is no reason to fail.
        with suppress(OSError):
            click.echo(styled, err=True, color=self.color)

    def write(self, text: str) -> None:
        """Write a part of the result to stdout.

        Raises `Interrupted` where nobody reads it any more, `InputError` where it cannot be kept.
        """
        if sys.stdout is None:
            raise InputError("cannot write the result: standard output is closed")
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError as error:
            sys.stdout = None  # or the interpreter tries once more, at its end
            raise Interrupted("nobody reads the result") from error
        except OSError as error:
            sys.stdout = None
            raise InputError(f"cannot write the result: {reason(error)}") from error

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Announce a stage and, at its end, how long it took."""
        start = time.monotonic()
        if not self.quiet:
            self.say(f"▸ {name}", bold=True)
        yield
        if not self.quiet:
            self.say(f"✓ {name}  {time.monotonic() - start:.1f} s", fg="green")

    def note(self, text: str) -> None:
        """Say one fact about the stage under way."""
        if not self.quiet:
            self.say(f"  {text}")

    @contextmanager
    def bar(self, name: str, total: int) -> Iterator[Advance]:
        """Show a bar on a terminal, with rate and time left; elsewhere one line at the end."""
        if self.terminal and not self.quiet:
            from release_tool.cli.bars import show_bar  # noqa: PLC0415  (rich, on a terminal only)

            with show_bar(name, total, color=self.color) as advance:
                yield advance
        else:
            yield lambda _advance: None
            self.note(name)

    @property
    def shows_rows(self) -> bool:
        """Tell whether anybody will see a result's rows."""
        return self.summary is not None or not (self.json or self.quiet)

    def print_result(self, document: Mapping[str, Any], rows: list[Row]) -> None:
        """Print a result on stdout: the document with `--json`, else rows for people.

        Under GitHub Actions the rows also become part of the job's summary.
        """
        if self.summary is not None:
            self.add_summary(self.summary, rows)
        if self.json:
            self.answered = True
            self.write(encode_document(document))
        elif not self.quiet:
            self.write("".join(f"{printable(row)}\n" for row in align(rows)))

    def add_summary(self, summary: Path, rows: list[Row]) -> None:
        """Add rows to the job's summary; where that cannot be, the result stands without it."""
        try:
            with summary.open("a", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write(markdown(rows))
        except OSError as error:
            self.note(f"the job's summary cannot be written: {reason(error)}")

    def print_error(self, error: ReleaseToolError) -> None:
        """Print an error and its advice on stderr and, with `--json`, as a document on stdout."""
        self.answer_error(error.exit_code, error.message, error.hint)
        self.say(f"error: {error.message}", fg="red")
        if error.hint:
            self.say(f"advice: {error.hint}")
        if self.actions:
            self.say(f"::error title=release-tool::{escape_annotation(error.message)}")

    def answer_error(self, exit_code: int, message: str, hint: str | None) -> None:
        """With `--json`, print an error as the one document on stdout, unless that is out."""
        if self.json and not self.answered:
            self.answered = True
            content = {"exit_code": exit_code, "message": message, "hint": hint}
            with suppress(ReleaseToolError):
                self.write(encode_document({"error": content}))


def printable(text: str) -> str:
    """Write text on one line that any terminal takes: names of files may hold anything."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def encode_document(document: Mapping[str, Any]) -> str:
    """Write a result as JSON; bytes of a file's name that are no text are spelled out.

    Python holds such bytes as lone surrogates, which no reader of JSON has to take (RFC 8259 §8.2).
    """
    import json  # noqa: PLC0415  (`--help` needs none)

    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    return LONE_SURROGATE.sub(lambda found: rf"\\u{ord(found[0]):04x}", text) + "\n"


def align(rows: list[Row]) -> Iterator[str]:
    """Lay rows out in two columns; a blank row begins a table of its own."""
    for blank, block in groupby(rows, key=lambda row: row == BLANK):
        table = list(block)
        width = max(len(label) for label, _ in table)
        yield from (
            [""] if blank else (f"{label:<{width}}  {text}".rstrip() for label, text in table)
        )


def markdown(rows: list[Row]) -> str:
    """Write rows as tables of GitHub's Markdown; nothing in a cell can end it or format it."""
    lines = []
    for blank, block in groupby(rows, key=lambda row: row == BLANK):
        if blank:
            continue
        lines += ["", "| | |", "|---|---|"]
        lines += [f"| {cell(label)} | {cell(text)} |" for label, text in block]
    return "\n".join([*lines, ""])


def cell(text: str) -> str:
    """Write text as it is, whatever marks of Markdown or HTML it holds."""
    plain = " ".join(text.replace("`", "'").split())
    return f"`{plain}`".replace("|", "\\|") if plain else ""


def escape_annotation(text: str) -> str:
    """Write text so that a GitHub workflow command takes it as one message.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
    """
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")

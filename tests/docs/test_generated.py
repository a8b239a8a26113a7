"""What is generated from the program stands in the documentation as it is.

Run as a script it writes what the tests compare: `make docs`.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from release_tool.cli.main import COMMANDS, cli
from release_tool.core.errors import EXIT_CODES
from release_tool.evaluate.report.document import evaluation_schema
from release_tool.provenance.manifest import manifest_schema
from release_tool.recipes.catalog import RECIPES
from release_tool.recipes.toml.schema import recipe_schema

ROOT = Path(__file__).parents[2]
WIDTH = 80


def help_of(*path: str) -> str:
    """Return the help text of a command, as an 80-column terminal shows it."""
    result = CliRunner().invoke(
        cli, [*path, "--help"], prog_name="release-tool", terminal_width=WIDTH
    )
    assert result.exit_code == 0, result.output
    return result.output.rstrip()


def command_table() -> str:
    rows = "\n".join(f"| `{name}` | {summary} |" for name, summary in COMMANDS.items())
    return f"| command | does |\n|---|---|\n{rows}"


def exit_code_table() -> str:
    rows = "\n".join(
        f"| {code} | {meaning} | {advice} |" for code, (meaning, advice) in EXIT_CODES.items()
    )
    return f"| code | meaning | what a script should do |\n|---|---|---|\n{rows}"


def command_reference() -> str:
    parts = ["# Commands\n\nMade from the program by `make docs`.\n"]
    for path in ((), *((name,) for name in COMMANDS)):
        title = " ".join(("release-tool", *path))
        parts.append(f"## {title}\n\n```\n{help_of(*path)}\n```\n")
    return "\n".join(parts)


def fill(text: str, name: str, content: str) -> str:
    """Replace what stands between a block's marks."""
    pattern = rf"(<!-- begin: {name} -->\n).*?(<!-- end: {name} -->)"
    assert re.search(pattern, text, re.DOTALL), f"no block {name}"
    return re.sub(pattern, lambda match: f"{match[1]}{content}\n{match[2]}", text, flags=re.DOTALL)


def generated() -> Iterator[tuple[Path, str]]:
    """Yield every file that holds something generated, with what it should hold."""
    readme = (ROOT / "README.md").read_text()
    readme = fill(readme, "commands", command_table())
    yield ROOT / "README.md", fill(readme, "exit-codes", exit_code_table())
    yield ROOT / "docs/commands.md", command_reference()
    schema = json.dumps(evaluation_schema(), indent=2, ensure_ascii=False) + "\n"
    yield ROOT / "docs/evaluation.schema.json", schema
    described = json.dumps(recipe_schema(), indent=2, ensure_ascii=False) + "\n"
    yield ROOT / "docs/recipe.schema.json", described
    for recipe in RECIPES.values():
        name = recipe.formats.manifest_schema
        schema = json.dumps(manifest_schema(name), indent=2, ensure_ascii=False) + "\n"
        yield ROOT / f"docs/{name}.schema.json", schema


@pytest.mark.parametrize("path", [path for path, _ in generated()], ids=lambda path: path.name)
def test_the_generated_part_is_what_the_program_says(path: Path):
    expected = dict(generated())[path]
    assert path.read_text() == expected, "run `make docs`"


def test_every_summary_is_the_first_line_of_its_commands_help():
    for name, summary in COMMANDS.items():
        text = help_of(name).split("\n\n")[1].strip()
        assert " ".join(text.split()) == summary


def test_every_command_has_an_example_and_says_what_every_option_does():
    for name in COMMANDS:
        text = help_of(name)
        assert re.search(r"Examples?:\n +release-tool " + name, text), name
        context = click.Context(cli)
        command = cli.get_command(context, name)
        assert command is not None
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.opts} has no help"


if __name__ == "__main__":
    for target, content in generated():
        target.write_text(content)
        sys.stdout.write(f"wrote {target.relative_to(ROOT)}\n")

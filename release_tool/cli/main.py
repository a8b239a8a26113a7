"""The entry point: finds the command, runs it, prints an error once and ends with its exit code.

A command's module is imported only when it runs, so that `--help` needs neither torch nor sigstore.
"""

import importlib
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress

import click

from release_tool import __version__
from release_tool.cli.interruption import asks_for_json, on_signals, quitting_at_once
from release_tool.cli.state import State
from release_tool.core.errors import Interrupted, ReleaseToolError

COMMANDS = {
    "rehearse": "Rehearse a whole release against stand-ins on this machine.",
    "checkpoint": "Fetch the pinned checkpoint from its sources, or any https address.",
    "init": "Look at a network and write the recipe that pins it.",
    "export": "Export a model from an audited checkout and prove it.",
    "check": "Run the gates on an ONNX file.",
    "evaluate": "Replay what upstream published, or compare two models.",
    "sign": "Sign the files of a release with Sigstore.",
    "upload": "Put a signed release on GitHub, draft first, published last.",
    "publish": "Export, sign, upload and verify: the whole release.",
    "doctor": "Check what a publication will need, without changing anything.",
    "abort": "Remove the draft that a stopped upload left behind.",
    "verify": "Reach a verdict on a model: who released it, and is it intact.",
    "fetch": "Download a release, verify it, then install the model.",
    "diff": "Say what changed between two models.",
    "register": "Enter a verified release into a consumer's registry.",
    "trusted-root": "Print the current trusted root, to verify by it without a network.",
    "reproduce": "Make a release again, compare every byte, and sign that it came out.",
    "inspect": "Print what a bundle, a manifest or a model says; verifies nothing.",
}


class LazyGroup(click.Group):
    """A group that knows its commands' names and summaries without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """List the commands in the order of a release."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the module of one command."""
        if cmd_name not in COMMANDS:
            return None
        with quitting_at_once():
            name = cmd_name.replace("-", "_")
            module = importlib.import_module(f"release_tool.cli.commands.{name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Print the summaries without importing a command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="release-tool")
def cli() -> None:
    """Release machine-learning models that people can trust.

    \b
    Try the whole chain on this machine first, with nothing to set up:
      release-tool rehearse
    Before you load a model:
      release-tool verify model.onnx
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with one of the documented exit codes."""
    state = State.of_terminal()
    try:
        on_signals(signal.default_int_handler)
        cli.main(arguments, prog_name="release-tool", standalone_mode=False, obj=state)
    except click.ClickException as error:
        given = sys.argv[1:] if arguments is None else list(arguments)
        state.json = state.json or asks_for_json(given)
        show_click_error(error, state)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        state.print_error(Interrupted("interrupted", hint="run the same command again"))
        sys.exit(Interrupted.exit_code)
    except ReleaseToolError as error:
        state.print_error(error)
        sys.exit(error.exit_code)
    except Exception as error:
        message = f"a bug of release-tool: {type(error).__name__}: {error}"
        state.answer_error(1, message, "report it, with the traceback on stderr")
        raise


def show_click_error(error: click.ClickException, state: State) -> None:
    """Print what the command line's parser objected to, and the usage; it ends with exit code 2."""
    with suppress(OSError):
        error.show()
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = None if context is None else f"see {context.command_path} --help"
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        message = "no command was given"
    else:
        message = " ".join(error.format_message().split()).rstrip(".")
    state.answer_error(error.exit_code, message, hint)

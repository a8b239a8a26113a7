"""`release-tool abort`: removes our own unfinished draft and nothing else."""

import os

import click

from release_tool.cli.belief import resolve_api, resolve_destination
from release_tool.cli.given import DestinationOptions
from release_tool.cli.options import text, with_github, with_output, with_settings
from release_tool.cli.settings import Settings
from release_tool.cli.state import State
from release_tool.cli.tokens import require_token
from release_tool.github.client import open_github
from release_tool.github.transaction import abort_draft


@click.command("abort")
@text("--repo", "OWNER/NAME", "The repository of the draft.")
@text("--tag", "TAG", "The release's tag; the recipe's by default.")
@with_github
@with_settings
@with_output
@click.pass_obj
def command(
    state: State, settings: Settings, repo: str | None, tag: str | None, github_api: str | None
) -> None:
    """Remove the draft that a stopped upload left behind.

    A published release is never touched, nor is a draft that a person made.

    \b
    Example:
      release-tool abort --repo VMAFx/vmafx --tag u2netp-mirror-v1
    """
    to = resolve_destination(DestinationOptions(tag), repo, settings)
    api = resolve_api(github_api, settings)
    with open_github(api, require_token(os.environ), progress=state) as github:
        removed = abort_draft(github, to.repo, to.tag)
    text = f"removed the draft of {to}" if removed else f"there is no draft of ours for {to}"
    state.print_result({"removed": removed, "release": str(to)}, [("draft", text)])

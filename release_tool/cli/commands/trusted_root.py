"""`release-tool trusted-root`: prints what a verifier is to believe, for carrying elsewhere."""

import json

import click

from release_tool.cli.options import with_sigstore
from release_tool.cli.state import State
from release_tool.core.documents import parse_json_object
from release_tool.sigstore.trust.instance import open_trusted_root


@click.command("trusted-root")
@with_sigstore
@click.pass_obj
def command(state: State, sigstore: str | None) -> None:
    """Print the current trusted root, to verify by it without a network.

    It is what the instance's TUF repository has now. Each root is one line of JSON, as
    `gh attestation trusted-root` prints GitHub's: one file takes several of them. Carry it to a
    machine without a network, and name it there by --trusted-root.

    \b
    Example:
      release-tool trusted-root > trusted_root.jsonl
    """
    root = open_trusted_root(sigstore or "production", offline=False, progress=state)
    for content in root.documents:
        state.write(json.dumps(parse_json_object(content, root.source)) + "\n")

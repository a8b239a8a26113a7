"""Checks what a workflow gave to an action of a release, and tells its later steps what it means.

Reads TAG, RECIPE, CHECKPOINT_URL, IDENTITY and ARTIFACTS, of which RECIPE alone has to be there,
and appends to the file that GITHUB_OUTPUT names.
"""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from release_tool.core.errors import InputError, ReleaseToolError, UsageError
from release_tool.core.names import Tag
from release_tool.recipes.catalog import open_recipe

GITHUB = "https://github.com"
ISSUER = "https://token.actions.githubusercontent.com"
ARTIFACTS = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
IDENTITY = re.compile(
    r"https://github\.com/[\w.-]+/[\w.-]+/\.github/workflows/[\w./@+-]{1,400}", re.ASCII
)


def read_inputs(environment: Mapping[str, str]) -> dict[str, str]:
    """Return how the release's files are called and who signs; raises an expected error."""
    check_server(environment)
    recipe = open_recipe(environment.get("RECIPE", ""))
    tag = Tag.parse(environment.get("TAG") or recipe.tag)
    url = environment.get("CHECKPOINT_URL")
    # Without an address the recipe's own sources are asked.
    if url and not url.startswith(("https://", "http://")):
        raise InputError(f"not an https address: {url[:120]!r}")
    artifacts = environment.get("ARTIFACTS", "model")
    if not ARTIFACTS.fullmatch(artifacts):
        raise UsageError(f"not what names of artifacts can begin with: {artifacts[:80]!r}")
    signer = environment.get("IDENTITY") or f"{GITHUB}/{environment['GITHUB_WORKFLOW_REF']}"
    if not IDENTITY.fullmatch(signer):
        raise UsageError(f"not the identity of a workflow: {signer[:120]!r}")
    return {
        "tag": str(tag),
        "model": recipe.names.model,
        "manifest": recipe.names.manifest,
        "installed": recipe.names.installed_model,
        "place": str(Path(environment["RUNNER_TEMP"]) / f"{artifacts}-release"),
        "signer": signer,
        "issuer": ISSUER,
    }


def check_server(environment: Mapping[str, str]) -> None:
    """Refuse an Enterprise Server: Sigstore's public instance knows no identity of its runs."""
    server = environment.get("GITHUB_SERVER_URL", "")
    if server != GITHUB:
        raise UsageError(
            f"these actions release from {GITHUB} alone, and this is {server[:80]!r}",
            hint="release from a machine, with --github-api; docs/maintainer.md says how",
        )


def main() -> int:
    """Check the inputs and write the outputs; on a refusal write none and give its exit code."""
    try:
        outputs = read_inputs(os.environ)
    except ReleaseToolError as error:
        hint = f" ({error.hint})" if error.hint else ""
        sys.stderr.write(f"error: {error.message}{hint}\n")
        return error.exit_code
    with Path(os.environ["GITHUB_OUTPUT"]).open("a") as stream:
        stream.writelines(f"{name}={value}\n" for name, value in outputs.items())
    return 0


if __name__ == "__main__":
    sys.exit(main())

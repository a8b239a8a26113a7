"""Checks what a person typed into the release workflow, and tells its later steps what it means.

Runs on a bare Python, before anything is installed or fetched: `PYTHONPATH=. python -P` this file.
Reads RECIPE, TAG and CHECKPOINT_URL; appends to the file that GITHUB_OUTPUT names.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from release_tool.core.errors import InputError, ReleaseToolError
from release_tool.core.names import RepoSlug, Tag
from release_tool.recipes.catalog import open_recipe

GITHUB = "https://github.com/"


def read_inputs(environment: Mapping[str, str]) -> dict[str, str]:
    """Return where upstream is and how the release's files are called; raises an expected error."""
    tag = Tag.parse(environment.get("TAG", ""))
    recipe = open_recipe(environment.get("RECIPE", ""))
    url = environment.get("CHECKPOINT_URL")
    # Without an address the recipe's own sources are asked.
    if url and not url.startswith(("https://", "http://")):
        raise InputError(f"not an https address: {url[:120]!r}")
    repo = recipe.upstream.repo
    if not repo.startswith(GITHUB):
        raise InputError(f"the workflow can only check out from {GITHUB}, not {repo[:120]!r}")
    return {
        "tag": str(tag),
        "upstream_repo": str(RepoSlug.parse(repo.removeprefix(GITHUB))),
        "upstream_commit": str(recipe.upstream.commit),
        "model": recipe.names.model,
        "manifest": recipe.names.manifest,
    }


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

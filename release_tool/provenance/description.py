"""The text of a release on GitHub: what it is, what it was made from, how to verify it."""

from release_tool.recipes.recipe import Recipe


def describe_release(recipe: Recipe, identity: str, issuer: str) -> str:
    """Write the release's text in GitHub's Markdown."""
    names, upstream = recipe.names, recipe.upstream
    what = f"`{names.model}`: {recipe.attribution.title} ({upstream.class_name})"
    believed = f"--cert-identity {identity} --cert-oidc-issuer {issuer}"
    return "\n".join(
        [
            f"{what}, converted to ONNX from <{upstream.repo}> at `{upstream.commit}`.",
            "",
            f"Licensed under the Apache License 2.0; see `{names.license}`.",
            "",
            "Verify it before you load it, with its bundle beside it:",
            "",
            f"    release-tool verify {names.model} {believed}",
        ]
    )

"""The text of a release on GitHub: what it is, what it was made from, how to verify it."""

from release_tool.provenance.manifest import Manifest


def describe_release(manifest: Manifest, identity: str, issuer: str) -> str:
    """Write the release's text in GitHub's Markdown, of what its manifest claims."""
    upstream, model = manifest.upstream, manifest.outputs.onnx_path
    license_asset = manifest.run_provenance.outputs.license.path
    made = (
        f"{code(model)}, converted to ONNX from {code(upstream.module_path)} of "
        f"{code(upstream.repo)} at {code(str(upstream.commit))}, with the checkpoint "
        f"{code(upstream.checkpoint_path)} ({code(str(upstream.checkpoint_sha256))})."
    )
    paragraphs = [made]
    if manifest.unpinned:
        claims = ", ".join(code(claim) for claim in manifest.unpinned)
        paragraphs.append(f"**Unpinned**: this is not what its recipe pins, in {claims}.")
    paragraphs.append(f"Licence: {code(manifest.license.spdx)}, see {code(license_asset)}.")
    if not manifest.license.recognised:
        paragraphs.append(
            "**Licence not recognised**: its text is none that release-tool knows; read it."
        )
    paragraphs.append("Verify it before you load it, with its bundle beside it:")
    believed = f"--cert-identity {identity} --cert-oidc-issuer {issuer}"
    paragraphs.append(f"    release-tool verify {model} {believed}")
    return "\n\n".join(paragraphs)


def code(text: str) -> str:
    """Write text as it is: nothing in it ends the line or is Markdown."""
    return f"`{' '.join(text.replace('`', chr(39)).split())}`"

"""The licence asset credits upstream and carries its licence to the letter."""

import pytest
from msgspec.structs import replace

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError
from release_tool.provenance.attribution import make_attribution, split_license
from release_tool.provenance.description import describe_release
from release_tool.recipes.u2netp import U2NETP
from tests.examples import example_manifest

DIGEST = Sha256.of_bytes(b"checkpoint")
LICENSE = b"The licence,\r\nto the letter.\n"


def test_the_licence_stands_at_the_end_unchanged():
    assert split_license(make_attribution(U2NETP, DIGEST, LICENSE, notice=False)) == LICENSE


def test_copyright_paper_repository_commit_and_changes_are_named():
    text = make_attribution(U2NETP, DIGEST, LICENSE, notice=False).decode()
    for fact in (
        U2NETP.attribution.copyright,
        U2NETP.attribution.paper,
        U2NETP.upstream.repo,
        str(U2NETP.upstream.commit),
        str(DIGEST),
        "converted",
        "section 4(b)",
    ):
        assert fact in text
    assert "NOTICE" not in text


def test_a_notice_is_pointed_to():
    assert U2NETP.names.notice in make_attribution(U2NETP, DIGEST, LICENSE, notice=True).decode()


def test_an_asset_without_the_dividing_line_is_refused():
    with pytest.raises(InputError, match="lacks the line"):
        split_license(LICENSE)


def test_the_release_says_how_to_verify_it():
    text = describe_release(example_manifest(), "https://identity", "https://issuer")
    assert "--cert-identity https://identity --cert-oidc-issuer https://issuer" in text
    assert "Unpinned" not in text


def test_the_release_is_described_by_its_manifest_alone():
    """Whatever recipe it is released by: a foreign network never passes for U-2-Net."""
    manifest = example_manifest()
    text = describe_release(manifest, "https://identity", "https://issuer")
    for claim in (
        manifest.outputs.onnx_path,
        manifest.upstream.repo,
        str(manifest.upstream.commit),
        str(manifest.upstream.checkpoint_sha256),
        "Apache-2.0-example.txt",
    ):
        assert f"`{claim}`" in text
    assert "U²-Net" not in text


def test_the_release_says_that_it_is_unpinned():
    manifest = replace(example_manifest(), unpinned=("upstream.commit", "upstream.repo"))
    text = describe_release(manifest, "https://identity", "https://issuer")
    assert "**Unpinned**: this is not what its recipe pins, in `upstream.commit`" in text


def test_nothing_in_a_claim_is_markdown():
    manifest = example_manifest()
    claims = replace(manifest.upstream, repo="https://x` [click](https://evil.example)\n# Title")
    text = describe_release(
        replace(manifest, upstream=claims), "https://identity", "https://issuer"
    )
    assert "`https://x' [click](https://evil.example) # Title`" in text

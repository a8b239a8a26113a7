"""The licence asset credits upstream and carries its licence to the letter."""

import dataclasses
from typing import Any

import pytest
from msgspec.structs import replace

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError
from release_tool.provenance.attribution import make_attribution, split_license
from release_tool.provenance.description import describe_release
from release_tool.provenance.manifest import LicenseClaim
from release_tool.recipes.license import NAMES, LicensePin
from release_tool.recipes.metadata import make_metadata
from release_tool.recipes.recipe import Attribution, Recipe
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


def under(spdx: str, **changes: Any) -> Recipe:
    """Name another licence in a recipe of a project that nobody knows."""
    terms = LicensePin(spdx, "COPYING", DIGEST, **changes)
    upstream = dataclasses.replace(U2NETP.upstream, repo="https://example.org/net")
    credit = Attribution("A network", "Copyright its author")
    return dataclasses.replace(U2NETP, license=terms, upstream=upstream, attribution=credit)


@pytest.mark.parametrize("spdx", [name for name in NAMES if name != "Apache-2.0"])
def test_no_word_of_another_licence_stands_in_what_a_release_says(spdx):
    recipe = under(spdx)
    metadata = make_metadata(recipe, DIGEST)
    text = make_attribution(recipe, DIGEST, LICENSE, notice=False).decode()
    assert NAMES[spdx] in text
    assert metadata["lusoris.license"] == spdx
    assert "modified form of the original work: " in metadata["lusoris.conversion"]
    for said in (text, str(metadata)):
        assert "Apache" not in said
        assert "section 4" not in said
    assert "Paper" not in text
    assert ("section 3.2(a)" in text) == (spdx == "MPL-2.0")


def test_a_licence_that_was_not_recognised_is_called_so_everywhere():
    recipe = under("GPL-3.0-only", accepted=True)
    text = make_attribution(recipe, DIGEST, LICENSE, notice=False, recognised=False).decode()
    assert "called GPL-3.0-only here, was recognised by no program" in text
    claim = LicenseClaim(spdx="GPL-3.0-only", recognised=False)
    manifest = replace(example_manifest(), license=claim)
    described = describe_release(manifest, "https://identity", "https://issuer")
    assert "Licence: `GPL-3.0-only`" in described
    assert "**Licence not recognised**" in described
    plain = describe_release(example_manifest(), "https://identity", "https://issuer")
    assert "not recognised" not in plain


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

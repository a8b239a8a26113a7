"""A ref is what was written, or a tag of versions; nothing else is taken for it."""

import pytest

from release_tool.core.refs import is_allowed

FORM = "refs/tags/v<version>"


@pytest.mark.parametrize("tag", ["v1", "v1.2.3", "v3.0.0-rc.1", "v1.0+build.7", "v2Z"])
def test_a_tag_of_a_version_is_allowed_by_its_form(tag: str):
    assert is_allowed(f"refs/tags/{tag}", ["refs/heads/master", FORM])


@pytest.mark.parametrize(
    "ref",
    [
        "refs/heads/v1",
        "refs/tags/v",
        "refs/tags/vnext",
        "refs/tags/v<version>",
        "refs/tags/v1/evil",
        "refs/tags/v1..2",
        "refs/tags/v1\n",
        "refs/tags/xv1",
        "refs/tags/v1 ",
        "refs/tags/v" + "1" * 200,
        "",
        None,
    ],
)
def test_what_is_no_tag_of_a_version_is_not(ref: str | None):
    assert not is_allowed(ref, [FORM])


def test_a_ref_that_is_written_out_is_compared_letter_by_letter():
    assert is_allowed("refs/heads/master", ["refs/heads/master"])
    for other in ("refs/heads/Master", "refs/heads/master2", "refs/heads/maste", "master"):
        assert not is_allowed(other, ["refs/heads/master"])

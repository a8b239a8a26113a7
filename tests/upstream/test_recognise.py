"""Licences are recognised by their whole text, as real repositories write it and no otherwise."""

import re
import time
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError
from release_tool.recipes.license import NAMES, LicensePin
from release_tool.upstream.license import check_license, identify
from release_tool.upstream.recognise import TEXTS, difference

CREDIT = "Copyright (c) 2019 Some Body <some@body.example>"
MARKS = {
    "copyrights": f"{CREDIT}\nAll rights reserved.",
    "names": "THE AUTHORS OR COPYRIGHT HOLDERS",
    "bullet": "1.",
    "next-paragraph": "",
    "endorsers": "Neither the name of Body, Inc. nor the names of its contributors may",
}


def text_of(spdx: str, **marks: str) -> str:
    """Write a licence as a repository would."""
    path = files("release_tool.upstream").joinpath(f"licenses/{spdx}.txt")
    body = path.read_text(encoding="utf-8").partition("\n")[2]
    filled = MARKS | marks

    def fill(mark: re.Match[str]) -> str:
        return filled.get(mark[1], mark[1].split("|")[0])

    return re.sub(r"<([^<>]+)>", fill, body)


def pin(spdx: str, *, accepted: bool = False) -> LicensePin:
    return LicensePin(spdx, "LICENSE", Sha256.of_bytes(b""), accepted)


def test_every_licence_that_is_recognised_has_a_name_in_a_release():
    assert set(NAMES) == {*TEXTS, "Apache-2.0"}


@pytest.mark.parametrize("spdx", TEXTS)
def test_each_text_is_its_own_licence_and_no_other(spdx):
    text = text_of(spdx).encode()
    assert identify(text) == spdx
    assert check_license(text, pin(spdx)) is True
    for other in TEXTS:
        assert (difference(text, other) is None) == (other == spdx)


@pytest.mark.parametrize(
    "heading",
    ["MIT License", "The MIT License (MIT)", "(The MIT License)", "# MIT Licence:", "[MIT License]",
     "This is the MIT license:", "Released under the MIT license"],
)  # fmt: skip
def test_a_heading_of_its_own_is_no_other_licence(heading):
    assert difference(f"{heading}\n{text_of('MIT')}".encode(), "MIT") is None


@pytest.mark.parametrize(
    "credit",
    [
        "",
        "Copyright 2024 Matias Tassano mtassano@meta.com",
        "Copyright © 2011\u20132020 A. N. Other and contributors, see AUTHORS.",
        "Copyright (c) 2015 Facebook, Inc. and its affiliates.\n(c) 2016 OpenJS.org Foundation",
        "Copyright 2019 X (https://x.example)\nPortions Copyright 2018 Y\nAll rights reserved.",
        "Copyright (c) 2006-, Some University\nFor Net software",
    ],
)
def test_copyright_lines_of_years_names_and_addresses_are_accepted(credit):
    assert difference(text_of("MIT", copyrights=credit).encode(), "MIT") is None


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"', "“"),
        lambda text: text.replace('"', "''"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: "\n".join(f"  * {line}" for line in text.splitlines()),
        lambda text: " ".join(text.split()),
        lambda text: text.upper(),
    ],
)
@pytest.mark.parametrize("spdx", TEXTS)
def test_what_says_nothing_may_differ(spdx, change):
    assert difference(change(text_of(spdx)).encode(), spdx) is None


@pytest.mark.parametrize("bullet", ["*", "-", "(a)", "2)", "o", ""])
def test_conditions_may_be_counted_in_any_way(bullet):
    assert identify(text_of("BSD-2-Clause", bullet=bullet).encode()) == "BSD-2-Clause"


@pytest.mark.parametrize(
    "endorsers",
    [
        "Neither the names of A, B and C nor the names of contributors may",
        "Neither the name of the copyright holder nor the names of its\n   contributors may",
        "The name of A. Uthor may not",
        "The names of its contributors may not",
    ],
)
def test_who_endorses_nothing_may_be_written_in_several_ways(endorsers):
    text = text_of("BSD-3-Clause", endorsers=endorsers, names="A. UTHOR AND CONTRIBUTORS")
    assert identify(text.encode()) == "BSD-3-Clause"


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(TEXTS), st.data())
def test_any_changed_missing_or_added_word_is_another_licence(spdx, data):
    endorsers = "Neither the name of NOBODY nor the names of contributors may"
    text = text_of(spdx, copyrights="", names="NOBODY", bullet="", endorsers=endorsers)
    words = text.split()
    fixed = [at for at, word in enumerate(words) if word != "NOBODY" and word.strip("*=-")]
    at = data.draw(st.sampled_from(fixed))
    instead = data.draw(st.sampled_from([[], ["seldom"], [words[at], "unless"]]))
    changed = " ".join([*words[:at], *instead, *words[at + 1 :]])
    assert difference(changed.encode(), spdx) is not None


@pytest.mark.parametrize(
    "credit",
    [
        "Copyright 2020 Evil. Commercial use is forbidden",
        "Copyright 2020 Evil for research only",
        "Copyright 2020 Evil, not for sale",
        "Copyright 2020 Evil; the grant below is void",
        "Copyright 2020 Evil. You may not redistribute.",
        "The Evil License",
        "This is no MIT License",
    ],
)
def test_a_preamble_that_takes_back_what_the_licence_gives_is_refused(credit):
    assert "where the licence" in str(difference(text_of("MIT", copyrights=credit).encode(), "MIT"))


@pytest.mark.parametrize("spdx", TEXTS)
def test_more_than_the_licence_is_refused_and_named(spdx):
    text = text_of(spdx) + "\nThis repository bundles others' code."
    assert "it has 'this repository bundles" in str(difference(text.encode(), spdx))
    with pytest.raises(InputError, match=r"LICENSE: the licence is not .* the licence ends") as got:
        check_license(text.encode(), pin(spdx))
    assert f"--accept-license {spdx}" in str(got.value.hint)


def test_the_first_other_word_is_named():
    text = text_of("MIT").replace("free of charge", "for a fee")
    found = difference(text.encode(), "MIT")
    assert found is not None
    assert "it has 'for a fee, to any person'" in found
    assert "where the licence has 'free of charge, to any person'" in found


def test_what_is_not_recognised_is_taken_only_by_name_or_when_accepted():
    text = b"You may look at it."
    with pytest.raises(InputError, match=r"the text of GPL-3.0-only is not one that is recognised"):
        check_license(text, pin("GPL-3.0-only"))
    assert check_license(text, pin("GPL-3.0-only", accepted=True)) is False
    assert check_license(text, pin("LicenseRef-look")) is False
    assert check_license(text_of("MIT").encode(), pin("MIT", accepted=True)) is True


@pytest.mark.parametrize(
    ("spdx", "reason", "hint"),
    [("BSD-3", "no identifier", "LicenseRef-BSD-3"), ("mit", "is written MIT", "None")],
)
def test_an_identifier_that_spdx_does_not_have_is_refused(spdx, reason, hint):
    with pytest.raises(InputError, match=reason) as caught:
        check_license(b"", pin(spdx, accepted=True))
    assert hint in str(caught.value.hint)


def test_what_is_no_text_is_no_licence():
    with pytest.raises(InputError, match="UTF-8"):
        difference(b"\xff\xfe", "MIT")
    with pytest.raises(InputError, match="more than 65536 bytes"):
        difference(b"a" * 65537, "MIT")
    assert identify(b"\xff\xfe") is None


@pytest.mark.parametrize(
    "piece", ["copyright ", "copyright a ", "a@b.c ", "the mit license ", "1 "]
)
def test_a_long_text_that_is_no_licence_does_not_take_long(piece):
    start = time.process_time()
    assert identify(("copyright " + piece * (60_000 // len(piece))).encode()) is None
    assert time.process_time() - start < 5

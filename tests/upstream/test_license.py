"""The Apache License 2.0 is recognised by its whole text."""

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_tool.core.errors import InputError
from release_tool.upstream.license import check_apache_2, find_notice, license_text

TEXT = license_text().decode()
TERMS = TEXT[: TEXT.index("END OF TERMS")]
WORDS = TEXT.split()


def test_the_published_text_is_accepted():
    check_apache_2(license_text())


def test_terms_without_the_appendix_are_accepted():
    check_apache_2(TERMS.encode())
    check_apache_2((TERMS + "END OF TERMS AND CONDITIONS\n").encode())


@pytest.mark.parametrize(
    "line", ["Copyright 2020 Xuebin Qin", "Copyright (c) 2019-2024, A. N. Other and friends, Inc."]
)
def test_a_filled_in_copyright_line_is_accepted(line):
    check_apache_2(TEXT.replace("Copyright [yyyy] [name of copyright owner]", line).encode())


def test_a_byte_order_mark_windows_lines_and_https_are_accepted():
    text = TEXT.replace("\n", "\r\n").replace("http://www.apache.org", "https://www.apache.org")
    check_apache_2(b"\xef\xbb\xbf" + text.encode())


@given(st.integers(20, 200))
def test_any_wrapping_is_accepted(width):
    check_apache_2(
        "\n".join(
            textwrap.wrap(TEXT, width, break_long_words=False, break_on_hyphens=False)
        ).encode()
    )


@given(st.integers(0, len(TERMS.split()) - 1), st.sampled_from(["", "seldom", "gladly"]))
def test_any_changed_or_missing_word_of_the_terms_is_refused(index, word):
    words = [*WORDS[:index], *word.split(), *WORDS[index + 1 :]]
    with pytest.raises(InputError, match="not the Apache License"):
        check_apache_2(" ".join(words).encode())


@given(st.integers(1, len(WORDS)))
def test_an_additional_word_is_refused_wherever_it_stands(index):
    first = WORDS.index("[yyyy]")
    if first <= index <= WORDS.index("owner]", first) + 1:
        return  # inside the appendix's copyright line, which everybody fills in
    with pytest.raises(InputError):
        check_apache_2(" ".join([*WORDS[:index], "unless", *WORDS[index:]]).encode())


@pytest.mark.parametrize("text", ["", "MIT License", "Apache License Version 2.0, January 2004"])
def test_other_texts_are_refused(text):
    with pytest.raises(InputError, match="not the Apache License"):
        check_apache_2(text.encode())


def test_a_second_license_behind_the_first_is_refused():
    with pytest.raises(InputError, match="more than the Apache License"):
        check_apache_2((TEXT + "\nMIT License for the rest").encode())


def test_a_text_that_is_not_utf_8_is_refused():
    with pytest.raises(InputError, match="UTF-8"):
        check_apache_2(b"\xff\xfe")


def test_a_notice_is_found_in_any_case_and_among_others():
    assert find_notice(["README", "Notice.txt"]) == "Notice.txt"
    assert find_notice(["README", "NOTICED"]) is None


@pytest.mark.parametrize(
    "line",
    [
        "Copyright 2020 Evil. Commercial use of this work is forbidden",
        "Copyright 2020 Evil; the patent grant of section 3 is void",
        "Copyright 2020 Evil. You may not redistribute.",
    ],
)
def test_a_copyright_line_that_takes_back_what_the_licence_gives_is_refused(line):
    with pytest.raises(InputError):
        check_apache_2(TEXT.replace("Copyright [yyyy] [name of copyright owner]", line).encode())


@pytest.mark.parametrize(
    "line", ["Copyright 2020 Xuebin Qin", "Copyright (c) 2019-2021, O. R. Zaiane, Foo Inc."]
)
def test_a_copyright_line_of_years_and_names_is_accepted(line):
    check_apache_2(TEXT.replace("Copyright [yyyy] [name of copyright owner]", line).encode())

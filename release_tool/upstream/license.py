"""Recognises the Apache License 2.0 by its whole text, and finds a NOTICE.

It compares words, not meanings: any other licence, and this one with a word changed, is refused.
"""

import re
from functools import cache
from importlib.resources import files

from release_tool.core.errors import InputError

END_OF_TERMS = ["END", "OF", "TERMS", "AND", "CONDITIONS"]
MAX_COPYRIGHT_WORDS = 60
COPYRIGHT_WORD = r"(?:[^\s.;:]+|[A-Z]\.|(?:Inc|Ltd|Jr|Co|al)\.,?)"
"""Years and names. A full stop in mid-line would begin a sentence, and a sentence could take away
what the licence gives; initials and the usual abbreviations may stand."""
NOTICE_NAMES = frozenset({"notice", "notice.txt", "notice.md"})


def check_apache_2(text: bytes) -> None:
    """Check that a LICENSE is the Apache License 2.0; raises `InputError` at the first other word.

    White space and wrapping may differ; the appendix, which is no part of the terms, may have its
    copyright line filled in, or be left out whole. Nothing else may be added, removed or changed.
    """
    words = normalised(text)
    terms, appendix = reference()
    at = first_difference(words, terms)
    if at is not None:
        if at < 3:
            raise InputError(
                f"the LICENSE is not the Apache License 2.0: it begins {shown(words, 0)}"
            )
        raise InputError(
            f"the LICENSE is not the Apache License 2.0: it has {shown(words, at)} where the "
            f"licence has {shown(terms, at)}"
        )
    rest = words[len(terms) :]
    if rest[: len(END_OF_TERMS)] == END_OF_TERMS:
        rest = rest[len(END_OF_TERMS) :]
    if rest and not is_appendix(rest, appendix):
        raise InputError(
            f"the LICENSE has more than the Apache License 2.0 in it: {shown(rest, 0)}"
        )


def normalised(text: bytes) -> list[str]:
    """Return the words of a text, with the two spellings that Apache's own copies differ in."""
    try:
        plain = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("the LICENSE is not a text in UTF-8") from error
    plain = plain.replace("https://www.apache.org", "http://www.apache.org")
    return plain.replace('"{}"', '"[]"').split()


@cache
def reference() -> tuple[list[str], list[str]]:
    """Return the words of the licence's terms, and those of its appendix."""
    words = normalised(license_text())
    text = " ".join(words)
    terms, _, appendix = text.partition(" ".join(END_OF_TERMS))
    return terms.split(), appendix.split()


def license_text() -> bytes:
    """Return the licence as the Apache Software Foundation publishes it."""
    return files("release_tool.recipes").joinpath("apache-2.0.txt").read_bytes()


def is_appendix(words: list[str], appendix: list[str]) -> bool:
    """Tell whether words are the appendix, its copyright line filled in or not."""
    fixed = re.escape(" ".join(appendix))
    placeholder = re.escape("Copyright [yyyy] [name of copyright owner]")
    pattern = fixed.replace(
        placeholder,
        rf"Copyright(?: (?!Licensed ){COPYRIGHT_WORD}){{1,{MAX_COPYRIGHT_WORDS}}}\.?",
    )
    return re.fullmatch(pattern, " ".join(words)) is not None


def first_difference(words: list[str], terms: list[str]) -> int | None:
    """Return the index of the first word of the terms that is missing or another, or None."""
    for index, term in enumerate(terms):
        if index >= len(words) or words[index] != term:
            return index
    return None


def shown(words: list[str], at: int) -> str:
    """Quote a few words for an error message."""
    excerpt = " ".join(words[at : at + 6])[:80]
    return repr(excerpt) if excerpt else "its end"


def find_notice(names: list[str]) -> str | None:
    """Return the name of the NOTICE among the files at the top of a tree, if there is one.

    Apache-2.0 §4(d) asks that it travels with the work; two of them leave open which one.
    """
    found = [name for name in names if name.lower() in NOTICE_NAMES]
    if len(found) > 1:
        raise InputError(f"the checkout has more than one NOTICE: {', '.join(sorted(found))}")
    return found[0] if found else None

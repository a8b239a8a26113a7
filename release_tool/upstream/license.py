"""Holds a licence's text against the one that a recipe names, and finds a NOTICE.

It compares words, not meanings: any other text, and the same with a word changed, is refused unless
a person has accepted it. The Apache License is compared here, the shorter ones by `recognise`.
"""

import re
from functools import cache
from importlib.resources import files

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from release_tool.core.errors import InputError
from release_tool.recipes.license import APACHE, LicensePin
from release_tool.upstream.recognise import TEXTS, decode, difference

END_OF_TERMS = ["END", "OF", "TERMS", "AND", "CONDITIONS"]
MAX_COPYRIGHT_WORDS = 60
COPYRIGHT_WORD = r"(?:[^\s.;:]+|[A-Z]\.|(?:Inc|Ltd|Jr|Co|al)\.,?)"
"""Years and names. A full stop in mid-line would begin a sentence, and a sentence could take away
what the licence gives; initials and the usual abbreviations may stand."""
NOTICE_NAMES = frozenset({"notice", "notice.txt", "notice.md"})


def check_license(text: bytes, pin: LicensePin) -> bool:
    """Tell whether a text is the licence that a recipe names, word by word.

    Raises `InputError` for one that is not, unless it was accepted or is named `LicenseRef-…`, and
    for an identifier that is not on SPDX's list.
    """
    check_identifier(pin.spdx)
    try:
        check_text(text, pin.spdx)
    except InputError as error:
        if pin.may_be_unknown:
            return False
        accept = f"read {pin.path}; if you take it as that, give --accept-license {pin.spdx}"
        raise InputError(f"{pin.path}: {error.message}", hint=accept) from error
    return True


def check_identifier(spdx: str) -> None:
    """Require one licence's identifier, spelled as SPDX spells it; raises `InputError`."""
    try:
        spelled = canonicalize_license_expression(spdx)
    except InvalidLicenseExpression as error:
        raise InputError(
            f"{spdx} is no identifier of a licence on SPDX's list",
            hint=f"see https://spdx.org/licenses/, or name it LicenseRef-{spdx}",
        ) from error
    if spelled != spdx:
        raise InputError(f"the licence {spdx} is written {spelled}")


def check_text(text: bytes, spdx: str) -> None:
    """Require the whole text of a licence; raises `InputError` for any other."""
    if spdx == APACHE:
        check_apache_2(text)
    elif spdx not in TEXTS:
        raise InputError(f"the text of {spdx} is not one that is recognised")
    elif (found := difference(text, spdx)) is not None:
        raise InputError(f"the licence is not {spdx}: {found}")


def identify(text: bytes) -> str | None:
    """Return the SPDX identifier of the licence that a text is, or None for one not recognised."""
    for spdx in (APACHE, *TEXTS):
        try:
            check_text(text, spdx)
        except InputError:
            continue
        return spdx
    return None


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
            raise InputError(f"it is not the Apache License 2.0: it begins {shown(words, 0)}")
        raise InputError(
            f"it is not the Apache License 2.0: it has {shown(words, at)} where the "
            f"licence has {shown(terms, at)}"
        )
    rest = words[len(terms) :]
    if rest[: len(END_OF_TERMS)] == END_OF_TERMS:
        rest = rest[len(END_OF_TERMS) :]
    if rest and not is_appendix(rest, appendix):
        raise InputError(f"it has more than the Apache License 2.0 in it: {shown(rest, 0)}")


def normalised(text: bytes) -> list[str]:
    """Return the words of a text, with the two spellings that Apache's own copies differ in."""
    plain = decode(text).replace("https://www.apache.org", "http://www.apache.org")
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

"""Recognises licences by their whole text, word by word; which one is claimed is the recipe's.

Each file of `licenses/` is one text: its first line has the words that a heading may be made of,
`<…>` stands where real files differ. What the words mean is not looked at: anything more, less or
other than the text is another licence.
"""

import re
from functools import cache
from importlib.resources import files

from release_tool.core.errors import InputError

TEXT_LIMIT_BYTES = 64 * 1024
TEXTS = ("MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "0BSD", "MPL-2.0", "BSL-1.0")

# Quotes and emphasis say nothing; dashes and the sign of copyright are written in several ways.
SPELLINGS = str.maketrans(
    dict.fromkeys("\"'`\u00b4\u2018\u2019\u201c\u201d\u201e«»*#", "")
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014", "-")
    | {"©": "(c)"}
)
# No name is made of these: with them a copyright line could take back what the licence gives.
NO_NAMES = (
    "licen[cs]\\w*|permi\\w*|redistribution|granted|subject|not|no"
    "|may|must|shall|only|except|unless|without|provided|forbid\\w*|prohibit\\w*|restrict\\w*"
    "|commercial\\w*|non-?commercial\\w*|use[ds]?|user\\w*|terms|conditions?|void|research"
)


def name(but: str = "") -> str:
    """Return the pattern of one word of a name, none of which is among those that are refused.

    Initials, abbreviations, addresses, or a word that ends no sentence. Atomic: a long text that is
    no licence must not take long.
    """
    return (
        rf"(?> (?!(?:{but}{NO_NAMES})\b)"
        r"(?:[a-z]\.|(?:inc|ltd|jr|co|corp|al|dr|st)\.,?|<?\(?[^\s@;:]+@[^\s;:]+"
        r"|<?\(?https?://\S+|[^\s.;:]+(?:\.[^\s.;:]+)*)(?= |$|\.))"
    )


NAMES = rf"(?:{name()}){{1,30}}"
CREDIT = name("all rights reserved|copyright|")
NOTICE = (
    rf"(?: (?:portions )?copyrights?:?(?:{CREDIT}){{0,60}}\.?| \(c\)(?:{CREDIT}){{1,60}}\.?"
    rf"| all rights reserved\.?| for(?:{CREDIT}){{1,4}} software)"
)
CONTRIBUTORS = r"(?: (?:its|their|the|any))? contributors"
MARKERS = {
    "names": NAMES,
    "bullet": r"(?: (?:\(?[0-9a-z]{1,3}[.)]|o))?",
    "next-paragraph": r"(?: \(including the next paragraph\))?",
    "endorsers": rf"(?: neither the names? of{NAMES} nor the names of{CONTRIBUTORS} may"
    rf"| the name of{NAMES} may not| the names of{CONTRIBUTORS} may not)",
}


def difference(text: bytes, spdx: str) -> str | None:
    """Say where a text departs from the licence of that identifier; None where it is that text.

    Case, wrapping, quotes, bullets and a heading may differ, the copyright lines and the names that
    the text has room for may be anybody's. Raises `InputError` for bytes that are no text.
    """
    words = plain_words(text)
    said, steps = "".join(f" {word}" for word in words), pattern_of(spdx)
    if re.fullmatch("".join(steps), said):
        return None
    # The longest beginning of the licence that the text has.
    low, high = 0, len(steps)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if begins(steps[:middle], said) else (low, middle - 1)
    found = re.match("".join(steps[:low]), said)
    rest = said[found.end() if found else 0 :].split()
    return f"it has {excerpt(rest)} where the licence {expected(steps[low:])}"


def begins(steps: tuple[str, ...], said: str) -> bool:
    """Tell whether a text begins with these steps of a licence, and a word ends there."""
    return re.match("".join(steps) + r"(?= |\.|$)", said) is not None


def excerpt(words: list[str]) -> str:
    """Quote a few words."""
    return repr(" ".join(words[:6])[:80]) if words else "its end"


def expected(steps: tuple[str, ...]) -> str:
    """Say what comes next in a licence."""
    words = [re.sub(r"\\(.)", r"\1", step).strip() for step in steps[:6] if "(" not in step]
    return f"has {excerpt(words)}" if steps else "ends"


def plain_words(text: bytes) -> list[str]:
    """Return the words of a text in small letters, without quotes and rules."""
    if len(text) > TEXT_LIMIT_BYTES:
        raise InputError(f"the licence has more than {TEXT_LIMIT_BYTES} bytes")
    return spell(decode(text))


def spell(text: str) -> list[str]:
    """Write words in the one way in which they are compared."""
    plain = text.translate(SPELLINGS).lower().replace("https://", "http://")
    plain = plain.replace("licence", "license").replace("non-infring", "noninfring")
    return [word for word in plain.split() if any(letter.isalnum() for letter in word)]


def decode(text: bytes) -> str:
    """Read a text in UTF-8; raises `InputError`."""
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("the licence is not a text in UTF-8") from error


@cache
def pattern_of(spdx: str) -> tuple[str, ...]:
    """Return a licence as regular expressions, one for each of its words and markers."""
    path = files("release_tool.upstream").joinpath(f"licenses/{spdx}.txt")
    heading, _, body = path.read_text(encoding="utf-8").partition("\n")
    steps: list[str] = []
    for part in body.split():
        if part == "<copyrights>":
            steps.append(rf"(?:{NOTICE}|{heading_of(heading)}){{0,100}}")
        elif part.startswith("<"):
            name = part.strip("<>")
            steps.append(MARKERS.get(name) or f" (?:{name.lower()})")
        else:
            steps += [re.escape(f" {word}") for word in spell(part)]
    return tuple(steps)


def heading_of(words: str) -> str:
    """Return what a heading looks like that is made of these words and names a licence."""
    allowed = "|".join(
        map(re.escape, spell(f"{words} this is or released under software agreement"))
    )
    word = rf" [(\[]?(?:{allowed})[)\]]?[:,.]?(?= |$)"
    return rf"(?>(?:{word}){{1,10}})"

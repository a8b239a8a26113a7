"""Git refs that may sign: written out, or a tag of versions, which is the only closed form.

`refs/tags/v<version>` stands for every tag that is `v` and a version. There is no other pattern:
an open-ended one would believe whoever may create a ref of that beginning.
"""

import re
from collections.abc import Iterable

from release_tool.core.errors import UsageError

VERSION = "<version>"
REF = re.compile(r"refs/(heads|tags|pull)/[A-Za-z0-9_][A-Za-z0-9._/+-]{0,250}")
FORM = re.compile(r"(refs/tags/(?:[A-Za-z0-9_][A-Za-z0-9._/+-]{0,199})?)" + re.escape(VERSION))
VERSIONS = re.compile(r"[0-9][0-9A-Za-z.+-]{0,99}")
"""What may stand for a version: a digit, then digits, letters, '.', '+' and '-'."""


def check_ref(text: str) -> str:
    """Return a full git ref, or such a form of one; raises `UsageError` for anything else."""
    if not (REF.fullmatch(text) or FORM.fullmatch(text)) or ".." in text:
        raise UsageError(
            f"not a full git ref: {text[:120]!r}",
            hint="write it like refs/heads/main or refs/tags/v1; refs/tags/v<version> are all "
            "tags of versions",
        )
    return text


def is_allowed(ref: str | None, refs: Iterable[str]) -> bool:
    """Tell whether a ref is one of those, letter by letter but for a version."""
    return ref is not None and any(matches(ref, form) for form in refs)


def matches(ref: str, form: str) -> bool:
    """Compare a ref with one that may sign."""
    beginning = FORM.fullmatch(form)
    if beginning is None:
        return ref == form
    version = ref.removeprefix(beginning[1]) if ref.startswith(beginning[1]) else ""
    return VERSIONS.fullmatch(version) is not None and ".." not in version

"""Reads the page that Google Drive puts before a large file: the form behind its one button.

Opens no connection and decides nothing: the digest of what the form leads to does.
"""

from collections.abc import Mapping
from html.parser import HTMLParser
from urllib.parse import SplitResult, parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

FORM_ID = "download-form"
HOSTS = frozenset({"drive.google.com", "drive.usercontent.google.com"})
MAX_FIELDS = 20
MAX_VALUE_CHARACTERS = 500


class FormReader(HTMLParser):
    """Collects the address and the hidden fields of the download form."""

    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the form, and each hidden field while it lasts."""
        given = {name: text or "" for name, text in attrs}
        if tag == "form" and given.get("id") == FORM_ID and self.action is None:
            self.inside, self.action = True, given.get("action", "")
        elif tag == "input" and self.inside and given.get("type", "").lower() == "hidden":
            self.fields[given.get("name", "")] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        """Note the end of the form."""
        if tag == "form":
            self.inside = False


def find_download(page: bytes, address: str) -> str | None:
    """Return where the download form of a page at `address` leads, or None where it has none.

    It has to lead to the page's own host and port, or from one of Drive's hosts to another.
    """
    reader = FormReader()
    try:
        reader.feed(page.decode(errors="replace"))
    except AssertionError:  # so the parser says that a declaration is malformed
        return None
    if not reader.action or not acceptable(reader.fields):
        return None
    try:
        here, there = urlsplit(address), urlsplit(urljoin(address, reader.action))
    except ValueError:
        return None
    if not may_lead(here, there):
        return None
    query = dict(parse_qsl(there.query)) | reader.fields
    return urlunsplit(there._replace(query=urlencode(query), fragment=""))


def may_lead(here: SplitResult, there: SplitResult) -> bool:
    """Tell whether a page may lead there: its own origin, or from one of Drive's hosts to one."""
    same = (here.scheme, here.netloc) == (there.scheme, there.netloc)
    drives = there.scheme == "https" and {here.netloc, there.netloc} <= HOSTS
    return "@" not in there.netloc and (same or drives)


def acceptable(fields: Mapping[str, str]) -> bool:
    """Tell whether a form's fields are few and short enough to be an address."""
    return len(fields) <= MAX_FIELDS and all(
        name and len(name) + len(text) <= MAX_VALUE_CHARACTERS for name, text in fields.items()
    )

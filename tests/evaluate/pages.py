"""Reads a report as a browser's accessibility tree would: tables, images, what would be fetched."""

from html.parser import HTMLParser


class Page(HTMLParser):
    """Cells, alternative texts, addresses and scripts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.scripts = 0
        self.notes: list[dict[str, str | None]] = []
        self.headings: list[str] = []
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.inside = tag
        if tag == "img":
            self.images.append(given)
        if tag == "a":
            self.links.append(given.get("href") or "")
        self.loaded += [given[name] or "" for name in ("src", "srcset", "poster") if name in given]
        if tag == "link":
            self.loaded.append(given.get("href") or "")
        self.scripts += tag == "script"
        if given.get("role") == "note":
            self.notes.append(given)

    def handle_data(self, data):
        self.texts.append(data)
        if self.inside in {"h1", "h2", "h3"} and data.strip():
            self.headings.append(data.strip())

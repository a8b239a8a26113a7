"""The index of the documentation leads to every page."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def test_every_page_and_schema_is_found_from_the_index():
    index = (DOCS / "README.md").read_text()
    linked = {target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", index)}
    shown = {path.name for path in DOCS.iterdir() if path.is_file()} - {"README.md"}
    community = {f"../.github/{path.name}" for path in (ROOT / ".github").glob("*.md")}
    assert len(community) == 2
    assert shown | community <= linked


def test_the_readme_leads_to_the_index():
    assert "(docs/README.md)" in (ROOT / "README.md").read_text()

"""A manifest with a value in every field."""

import pytest

from release_tool.provenance.manifest import Manifest
from tests.examples import example_manifest


@pytest.fixture(scope="session")
def manifest() -> Manifest:
    return example_manifest()

"""Whom the fork, which every recipe here serves, believes, and how it spells metadata.

Source: VMAFx/vmafx, the one signer that its loader believes (ADR-2985,
core/src/dnn/signer_identity.c).
"""

from release_tool.core.names import RepoSlug
from release_tool.recipes.recipe import Publisher

METADATA_PREFIX = "lusoris."
"""Its exporters, ai/scripts/export_*.py, open the key of each metadata entry with it."""

PUBLISHER = Publisher(
    repo=RepoSlug("VMAFx", "vmafx"),
    workflow="supply-chain.yml",
    refs=("refs/heads/master", "refs/tags/v<version>"),
    issuer="https://token.actions.githubusercontent.com",
    owner_id="288567244",
    repo_id="1252235334",
)

"""What a repository's settings say of tags, and its workflow files.

Values and GitHub's rules for them; wording them is for `settings_routes.py`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

EVERYWHERE = ""


@dataclass(frozen=True, slots=True)
class Ruleset:
    """A ruleset for refs of one kind, `branch` or `tag`, with the types of its rules."""

    name: str
    target: str
    include: tuple[str, ...]
    rules: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    enforcement: str = "active"

    def holds(self, ref: str) -> bool:
        """Tell whether the ruleset is in force for a full ref."""

        def among(patterns: tuple[str, ...]) -> bool:
            return any(one == "~ALL" or fnmatchcase(ref, one) for one in patterns)

        return self.enforcement == "active" and among(self.include) and not among(self.exclude)


@dataclass(slots=True)
class Settings:
    """The settings, and the workflow files: by commit, and for every commit that is not named.

    `may_change_workflows` is whether the token has the permission `workflows`.
    """

    workflows: dict[str, Mapping[str, str]] = field(default_factory=dict)
    may_change_workflows: bool = False
    rulesets: list[Ruleset] = field(default_factory=list)

    def workflows_at(self, commit: str) -> Mapping[str, str]:
        """Give the workflow files at a commit, by name."""
        everywhere = self.workflows.get(EVERYWHERE, {"release.yml": "on: workflow_dispatch\n"})
        return self.workflows.get(commit, everywhere)

    def forbids(self, tag: str) -> bool:
        """Tell whether a rule forbids to make a tag."""
        return any(
            ruleset.target == "tag" and "creation" in ruleset.rules and ruleset.holds(ref)
            for ruleset in self.rulesets
            for ref in (f"refs/tags/{tag}",)
        )


def tree_of(files: Mapping[str, str]) -> str:
    """Give files a number of their own, always the same, as git has it for a tree."""
    content = json.dumps(sorted(files.items())).encode()
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()

"""The GitHub stand-in's answers about workflow files, environments, rulesets and actions.

What they say is decided in `settings.py`; who may ask, in `routes.py`.
"""

import base64
from dataclasses import dataclass
from typing import Any

from release_tool.rehearsal.exchange import Refusal, Request, Response
from release_tool.rehearsal.github.routes import GitHubRoutes, number
from release_tool.rehearsal.github.settings import Environment, Ruleset, Settings, tree_of

FOLDER = ".github"
PAST = "2020-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class SettingsRoutes:
    """Answers calls over the same state as `routes`."""

    routes: GitHubRoutes

    @property
    def settings(self) -> Settings:
        """Give what is to be said."""
        return self.routes.state.settings

    @property
    def root(self) -> str:
        """Give the API address of the repository."""
        return self.routes.shapes.root

    def contents(self, request: Request) -> Response:
        """GET …/contents/{path}: of the folder of workflows, the only one that there is."""
        self.routes.may_push(request)
        state, path = self.routes.state, request.parameters["path"].rstrip("/")
        commit = state.find_commit(request.query.get("ref", state.default_branch))
        if commit is None:
            raise Refusal(404, f"No commit found for the ref {request.query['ref']}")
        files = self.settings.workflows_at(commit)
        folder = f"{FOLDER}/workflows"
        if files and path == FOLDER:
            return Response.of_json([self.entry(folder, "dir", tree_of(files), 0)])
        if files and path == folder:
            listed = [
                self.entry(f"{folder}/{name}", "file", tree_of({name: text}), len(text))
                for name, text in files.items()
            ]
            return Response.of_json(listed)
        name = path.removeprefix(f"{folder}/")
        if name not in files:
            raise Refusal(404, "Not Found")
        encoded = {
            "content": base64.encodebytes(files[name].encode()).decode(),
            "encoding": "base64",
        }
        entry = self.entry(path, "file", tree_of({name: files[name]}), len(files[name]))
        return Response.of_json(entry | encoded)

    def entry(self, path: str, kind: str, sha: str, size: int) -> dict[str, Any]:
        """Word one entry of a folder."""
        url = f"{self.root}/contents/{path}"
        return {
            "name": path.rpartition("/")[2],
            "path": path,
            "sha": sha,
            "size": size,
            "type": kind,
            "url": url,
            "git_url": None,
            "html_url": None,
            "download_url": None,
            "_links": {"self": url, "git": None, "html": None},
        }

    def environment(self, request: Request) -> Response:
        """GET …/environments/{environment}."""
        found = self.named(request)
        rules: list[dict[str, Any]] = []
        if found.reviewers:
            user = self.routes.shapes.user()
            reviewers = [{"type": "User", "reviewer": user}] * found.reviewers
            rules.append(rule("required_reviewers", reviewers=reviewers))
        if found.policies is not None:
            rules.append(rule("branch_policy"))
        policy = {"protected_branches": False, "custom_branch_policies": True}
        url = f"{self.root}/environments/{found.name}"
        return Response.of_json(
            {
                "id": 1,
                "node_id": "EN_1",
                "name": found.name,
                "url": url,
                "html_url": url,
                "created_at": PAST,
                "updated_at": PAST,
                "protection_rules": rules,
                "deployment_branch_policy": None if found.policies is None else policy,
            }
        )

    def policies(self, request: Request) -> Response:
        """GET …/environments/{environment}/deployment-branch-policies."""
        policies = self.named(request).policies or ()
        listed = [
            {"id": index, "node_id": f"DBP_{index}", "name": pattern, "type": kind}
            for index, (kind, pattern) in enumerate(policies, 1)
        ]
        return Response.of_json({"total_count": len(listed), "branch_policies": listed})

    def named(self, request: Request) -> Environment:
        """Find the environment that a path names."""
        self.routes.may_push(request)
        for found in self.settings.environments:
            if found.name == request.parameters["environment"]:
                return found
        raise Refusal(404, "Not Found")

    def rulesets(self, request: Request) -> Response:
        """GET …/rulesets: without the rules themselves."""
        self.routes.may_push(request)
        return Response.of_json(
            [self.shape(index, one) for index, one in enumerate(self.settings.rulesets, 1)]
        )

    def ruleset(self, request: Request) -> Response:
        """GET …/rulesets/{id}: with its conditions and rules."""
        self.routes.may_push(request)
        index = number(request, "ruleset")
        if not 0 < index <= len(self.settings.rulesets):
            raise Refusal(404, "Not Found")
        found = self.settings.rulesets[index - 1]
        names = {"include": list(found.include), "exclude": list(found.exclude)}
        whole = {
            "conditions": {"ref_name": names},
            "rules": [{"type": kind} for kind in found.rules],
        }
        return Response.of_json(self.shape(index, found) | whole)

    def shape(self, index: int, ruleset: Ruleset) -> dict[str, Any]:
        """Word a ruleset as lists of them do."""
        return {
            "id": index,
            "name": ruleset.name,
            "target": ruleset.target,
            "source_type": "Repository",
            "source": self.routes.shapes.slug,
            "enforcement": ruleset.enforcement,
            "node_id": f"RRS_{index}",
            "created_at": PAST,
            "updated_at": PAST,
        }

    def permissions(self, request: Request) -> Response:
        """GET …/actions/permissions: for administrators only."""
        self.routes.require_push(request)
        if not self.settings.administers:
            raise Refusal(403, "Resource not accessible by integration")
        return Response.of_json(
            {
                "enabled": True,
                "allowed_actions": self.settings.allowed_actions,
                "sha_pinning_required": self.settings.sha_pinning_required,
            }
        )


def rule(kind: str, **more: Any) -> dict[str, Any]:
    """Word a protection rule of an environment."""
    return {"id": 1, "node_id": "GA_1", "type": kind, **more}

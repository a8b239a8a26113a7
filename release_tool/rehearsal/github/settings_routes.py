"""The GitHub stand-in's answers about workflow files.

What they say is decided in `settings.py`; who may ask, in `routes.py`.
"""

import base64
from dataclasses import dataclass
from typing import Any

from release_tool.rehearsal.exchange import Refusal, Request, Response
from release_tool.rehearsal.github.routes import GitHubRoutes
from release_tool.rehearsal.github.settings import Settings, tree_of

FOLDER = ".github"


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

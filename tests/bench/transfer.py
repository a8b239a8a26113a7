"""Uploads a file to a new draft, or downloads an asset; prints the seconds and its peak memory."""

import resource
import sys
import time
from pathlib import Path

import httpx

from release_tool.core.artifact import Artifact
from release_tool.core.names import RepoSlug, Tag
from release_tool.core.progress import SILENT
from release_tool.github.client import open_github
from release_tool.github.download import Listed, fetch_asset
from release_tool.github.transfer import make_read_api

KIB = 1024


def report(start: float, *more: str) -> None:
    """Print the seconds since `start`, this process's peak memory in bytes, and more."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB
    print(time.perf_counter() - start, peak, *more)


what, api, token, repo, file, detail = sys.argv[1:]
path = Path(file)
with open_github(api, token) as github:
    if what == "upload":
        slug, tag = RepoSlug.parse(repo), Tag.parse(detail)
        artifact = Artifact.of_file(path)
        draft = github.send_draft(slug, tag, target=None, title="bench", body="bench")
        start = time.perf_counter()
        asset = github.send_asset(draft, artifact, path)
        report(start, f"{api}/repos/{repo}/releases/assets/{asset.id}")
    else:
        with httpx.Client(trust_env=False) as client:
            listed = Listed(path.name, 1024**3, None, detail)
            start = time.perf_counter()
            fetch_asset(make_read_api(client, api, token), listed, path, 2**31, SILENT)
            report(start)

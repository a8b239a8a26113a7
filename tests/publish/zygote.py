"""Runs publications that die: one process that forks a child for each, to import only once.

Reads one JSON order a line from stdin, says the child's pid, then how it ended. A child kills
itself (SIGKILL) right before its k-th request is sent, or right after its answer was read; with
`moment` "none" it is left to its parent's mercy.
"""

import json
import os
import signal
import sys
from pathlib import Path

import httpx

from release_tool.core.errors import ReleaseToolError
from release_tool.core.names import RepoSlug, Tag
from release_tool.core.progress import SILENT
from release_tool.publish.github import open_github
from release_tool.publish.transaction import publish_release


class Deadly(httpx.BaseTransport):
    """A transport that ends its process at one request."""

    def __init__(self, number, moment):
        self.inner = httpx.HTTPTransport(verify=False)
        self.number, self.moment, self.count = number, moment, 0

    def handle_request(self, request):
        self.count += 1
        if (self.count, self.moment) == (self.number, "before"):
            os.kill(os.getpid(), signal.SIGKILL)
        answer = self.inner.handle_request(request)
        content = b"".join(answer.iter_raw())
        answer.close()
        if (self.count, self.moment) == (self.number, "answered"):
            os.kill(os.getpid(), signal.SIGKILL)
        return httpx.Response(answer.status_code, headers=answer.headers, content=content)


def publish(order):
    with httpx.Client(transport=Deadly(order["number"], order["moment"])) as client:
        github = open_github(
            order["api"], os.environ["GH_TOKEN"], client=client, sleep=lambda _seconds: None
        )
        files = {name: Path(path) for name, path in order["files"].items()}
        publish_release(
            github,
            RepoSlug.parse(order["repo"]),
            Tag.parse("tiny-v1"),
            files,
            target="main",
            title="Tiny",
            body="A tiny model",
            manifest_name="tiny.manifest.json",
            progress=SILENT,
        )


for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        try:
            publish(json.loads(line))
        except ReleaseToolError as error:
            os._exit(error.exit_code)
        except BaseException:  # noqa: BLE001 - the parent tells exit codes apart
            os._exit(1)
        os._exit(0)
    print(pid, flush=True)  # noqa: T201
    print(os.waitpid(pid, 0)[1], flush=True)  # noqa: T201

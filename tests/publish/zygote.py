"""One publication that dies again and again: it goes on, and what it forks at each request dies.

Reads an order (one line of JSON) from stdin and publishes. At each request a child is forked for
each moment, and dies there by SIGKILL: before it sends the request, when that has been received,
halfway through an upload, when it was performed and not answered yet (these three by the hand of
the stand-in, which a header tells whom to kill), and after the answer was read. Each death is
reported on stdout, as a line of JSON; a line on stdin says to go on.
"""

import json
import os
import signal
import sys
import tempfile
from pathlib import Path

import httpx

from release_tool.chain.publish import Services, release_exported
from release_tool.chain.upload import Publication
from release_tool.core.names import Destination, RepoSlug, Tag
from release_tool.github.client import open_github
from release_tool.github.preflight import check_ready
from release_tool.github.transfer import make_read_api
from release_tool.provenance.exported import open_exported
from release_tool.provenance.statement import Builder
from release_tool.rehearsal.upstream import make_checkpoint, make_recipe
from release_tool.sigstore.sign.token import open_identity
from release_tool.sigstore.trust.instance import SigstoreInstance

STANDIN = make_recipe(make_checkpoint())


def report(**facts):
    os.write(1, json.dumps(facts).encode() + b"\n")
    assert sys.stdin.readline() == "go on\n"


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def send(transport, request):
    answer = transport.handle_request(request)
    content = b"".join(answer.iter_raw())
    answer.close()
    stream = httpx.ByteStream(content)
    return httpx.Response(answer.status_code, headers=answer.headers, stream=stream)


class Mortal(httpx.BaseTransport):
    """A transport that lets a child of its process die at every moment of every request."""

    def __init__(self):
        self.inner = httpx.HTTPTransport(verify=False)
        self.number = 0

    def handle_request(self, request):
        self.number += 1
        request.read()  # a file's position would be shared with the children
        self.lose_child("before", die)
        uploads = request.headers.get("Content-Type") == "application/octet-stream"
        for moment in (
            ("received", "halfway", "performed") if uploads else ("received", "performed")
        ):
            self.lose_child(moment, lambda moment=moment: self.send_and_die(request, moment))
        answer = send(self.inner, request)
        self.lose_child("answered", die)
        return answer

    def send_and_die(self, request, moment):
        request.headers["X-Dies"] = f"{os.getpid()} {moment}"
        send(httpx.HTTPTransport(verify=False), request)  # the parent's connection stays its own

    def lose_child(self, moment, die_there):
        pid = os.fork()
        if pid == 0:
            try:
                die_there()
            finally:
                os._exit(1)
        report(number=self.number, moment=moment, status=os.waitpid(pid, 0)[1])


def publish(order):
    """Do what `release-tool publish` does, from an export on (which asks nothing of a network)."""
    tempfile.tempdir = order["scratch"]
    api, token = order["api"], os.environ["GH_TOKEN"]
    instance = SigstoreInstance(order["trust_config"].encode(), "the rehearsal")
    identity = open_identity(instance, order["identity_token"], interactive=False)
    to = Destination(RepoSlug.parse(order["repo"]), Tag.parse(STANDIN.tag), "main")
    exported = open_exported(Path(order["directory"]), STANDIN)
    with httpx.Client(transport=Mortal()) as client:
        github = open_github(api, token, client=client, sleep=lambda _seconds: None)
        publication = Publication(github, make_read_api(client, api, token), to)
        services = Services(instance, identity, Builder.from_environment({}), publication)
        ready = check_ready(github, to.repo, to.tag, to.target)
        release_exported(exported, STANDIN, services, ready=ready)


publish(json.loads(sys.stdin.readline()))

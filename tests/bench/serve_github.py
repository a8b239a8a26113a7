"""Runs the GitHub stand-in in a process of its own until standard input ends."""

import json
import sys

from release_tool.rehearsal.github.standin import start_github

with start_github() as github:
    print(json.dumps({"api": github.api, "token": github.token, "repo": github.repo}), flush=True)
    sys.stdin.read()

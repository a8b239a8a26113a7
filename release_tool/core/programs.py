"""Finds other programs on PATH, never in a directory that somebody else may have filled."""

import os
import shutil
from collections.abc import Mapping

from release_tool.core.errors import InputError


def absolute_path(environment: Mapping[str, str]) -> str:
    """Return PATH without its relative and empty entries, which mean the working directory."""
    entries = environment.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(entry for entry in entries if entry.startswith("/"))


def find_git(environment: Mapping[str, str]) -> str:
    """Return the absolute path of git; raises `InputError` where it is not installed."""
    found = shutil.which("git", path=absolute_path(environment))
    if found is None:
        raise InputError("git is not installed", hint="install git")
    return found

"""The licence that a recipe names, and what its terms ask of a release; recognises no text.

Standard library only. Whether an identifier is one of SPDX's and the text is that licence is found
out by `upstream`, once, before anything is exported.
"""

import re
from dataclasses import dataclass

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError
from release_tool.core.names import check_inner_path

SPDX = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}")
OWN_TERMS = "LicenseRef-"
APACHE = "Apache-2.0"
NAMES = {
    APACHE: "the Apache License, Version 2.0",
    "MIT": "the MIT License",
    "BSD-2-Clause": "the 2-Clause BSD License",
    "BSD-3-Clause": "the 3-Clause BSD License",
    "ISC": "the ISC License",
    "0BSD": "the Zero-Clause BSD License",
    "MPL-2.0": "the Mozilla Public License 2.0",
    "BSL-1.0": "the Boost Software License 1.0",
}
"""The licences whose texts are recognised, as a release calls them."""


@dataclass(frozen=True, slots=True)
class LicensePin:
    """The licence by its SPDX identifier, its file in the upstream tree, and that file's digest.

    `accepted` says that somebody read a text which no program here recognises as that licence, and
    takes it. Terms without an identifier of SPDX's are named `LicenseRef-…` and need no such word.
    """

    spdx: str
    path: str
    sha256: Sha256
    accepted: bool = False

    def __post_init__(self) -> None:
        if not SPDX.fullmatch(self.spdx):
            raise InputError(
                f"not an SPDX identifier of one licence: {self.spdx[:80]!r}",
                hint=f"one such as MIT, or {OWN_TERMS}name for terms that have none",
            )
        check_inner_path(self.path)

    @property
    def may_be_unknown(self) -> bool:
        """Tell whether a text that is not recognised is taken."""
        return self.accepted or self.spdx.startswith(OWN_TERMS)

    @property
    def modified(self) -> str:
        """The clause that asks to say that a file was changed, in brackets; often there is none."""
        return " (Apache License 2.0, section 4(b))" if self.spdx == APACHE else ""


def describe_terms(pin: LicensePin, *, recognised: bool) -> str:
    """Say in a sentence under which terms a work is."""
    if not recognised:
        return f"Its licence, called {pin.spdx} here, was recognised by no program: read its text."
    return f"Licensed under {NAMES[pin.spdx]}; its text follows below, unchanged."

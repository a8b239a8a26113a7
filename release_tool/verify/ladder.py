"""The numbered steps of the verdict, and what each of them found."""

from dataclasses import dataclass, field

from release_tool.core.errors import NotVerified
from release_tool.verify.release import Step

STEPS = {
    1: "digest",
    2: "bundle",
    3: "certificate chain",
    4: "certificate transparency",
    5: "log inclusion",
    6: "time stamps",
    7: "validity windows",
    8: "signature",
    9: "identity and issuer",
    10: "provenance subjects",
    11: "manifest and licence",
    12: "embedded metadata",
}


class Contradicted(NotVerified):
    """The expected signer did sign the bundle, and what it speaks of is not what is at hand."""


@dataclass(slots=True)
class Ladder:
    """Collects what each step found; a step that two bundles take is reported for both."""

    found: dict[int, list[str]] = field(default_factory=dict)

    def report(self, number: int, outcome: str) -> None:
        """Note a step that held."""
        said = self.found.setdefault(number, [])
        if outcome not in said:
            said.append(outcome)

    def steps(self) -> tuple[Step, ...]:
        """Return all steps in the order of the ladder."""
        return tuple(
            Step(number, name, "; ".join(self.found[number])) for number, name in STEPS.items()
        )

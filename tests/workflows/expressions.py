"""Evaluates the expressions of GitHub Actions, `${{ … }}`, as far as our workflows use them.

Whatever is unknown (a context, a property, a function) fails, where GitHub would go on with an
empty string: a misspelt name is found here.
https://docs.github.com/en/actions/reference/workflows-and-actions/expressions
"""

import re
from collections.abc import Mapping
from typing import Any

TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>\d+)|(?P<name>[A-Za-z_][\w-]*)"
    r"|(?P<sign>\|\||&&|==|!=|[!().,*\[\]]))"
)
INSERTION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
CONSTANTS = {"true": True, "false": False, "null": None}


class WorkflowError(Exception):
    """A workflow asks for something that GitHub, or this stand-in for it, would refuse."""


def interpolate(text: Any, contexts: Mapping[str, Any]) -> str:
    """Put the values of all expressions into a text."""
    return INSERTION.sub(lambda found: to_text(evaluate(found[1], contexts)), to_text(text))


def evaluate(text: str, contexts: Mapping[str, Any]) -> Any:
    """Evaluate one expression, without its braces; raises `WorkflowError`."""
    parser = Parser(split(text), contexts)
    value = parser.either()
    if parser.tokens:
        raise WorkflowError(f"cannot read the expression {text!r}")
    return value


def is_true(value: Any) -> bool:
    """Tell whether GitHub takes a value for true."""
    return value not in (None, False, 0, "")


def to_text(value: Any) -> str:
    """Write a value as GitHub puts it into a text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise WorkflowError(f"an object is no text: {value!r}")


def split(text: str) -> list[tuple[str, str]]:
    """Split an expression into its tokens, each with its kind."""
    tokens, place = [], 0
    while text[place:].strip():
        found = TOKEN.match(text, place)
        if found is None:
            raise WorkflowError(f"cannot read the expression {text!r}")
        kind = str(found.lastgroup)
        tokens.append((kind, found[kind]))
        place = found.end()
    return tokens


class Parser:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, tokens: list[tuple[str, str]], contexts: Mapping[str, Any]) -> None:
        self.tokens = tokens
        self.contexts = contexts

    def take(self, *signs: str) -> str | None:
        """Take the next token if it is one of these signs."""
        if self.tokens and self.tokens[0][0] == "sign" and self.tokens[0][1] in signs:
            return self.tokens.pop(0)[1]
        return None

    def require(self, sign: str) -> None:
        if self.take(sign) is None:
            raise WorkflowError(f"{sign} is missing in an expression")

    def either(self) -> Any:
        value = self.both()
        while self.take("||"):
            other = self.both()
            value = value if is_true(value) else other
        return value

    def both(self) -> Any:
        value = self.comparison()
        while self.take("&&"):
            other = self.comparison()
            value = other if is_true(value) else value
        return value

    def comparison(self) -> Any:
        value = self.primary()
        while sign := self.take("==", "!="):
            other = self.primary()
            if type(value) is not type(other):
                raise WorkflowError(f"compares {value!r} with {other!r}")
            value = (value == other) is (sign == "==")
        return value

    def primary(self) -> Any:
        if self.take("!"):
            return not is_true(self.primary())
        if self.take("("):
            value = self.either()
            self.require(")")
            return value
        if not self.tokens:
            raise WorkflowError("an expression ends too early")
        kind, text = self.tokens.pop(0)
        if kind == "text":
            return text[1:-1].replace("''", "'")
        if kind == "number":
            return int(text)
        if kind != "name":
            raise WorkflowError(f"{text} is out of place in an expression")
        if self.take("("):
            return self.call(text)
        return self.look_up(text)

    def look_up(self, name: str) -> Any:
        """Follow a path like `needs.export.outputs.digest` or `needs.*.result`."""
        if name in CONSTANTS:
            return CONSTANTS[name]
        if name not in self.contexts:
            raise WorkflowError(f"the context {name!r} is not there at this place")
        value, path = self.contexts[name], name
        while self.take("."):
            if self.take("*"):
                self.require(".")
                key = self.tokens.pop(0)[1]
                return [item[key] for item in value.values()]
            key = self.tokens.pop(0)[1]
            path += f".{key}"
            if not isinstance(value, Mapping) or key not in value:
                raise WorkflowError(f"there is no {path}")
            value = value[key]
        return value

    def call(self, name: str) -> Any:
        """Call one of the few functions that our workflows use."""
        arguments = []
        while not self.take(")"):
            arguments.append(self.either())
            self.take(",")
        match name, arguments:
            case "join", [list(items), str(separator)]:
                return separator.join(items)
            case "endsWith", [str(text), str(end)]:
                return text.lower().endswith(end.lower())
            case (("always" | "success" | "failure"), []) if "status" in self.contexts:
                return name in ("always", self.contexts["status"])
        raise WorkflowError(f"the function {name} is not known at this place")

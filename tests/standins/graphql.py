"""Reads the part of GraphQL in which GitHub's clients ask about releases: single plain queries.

What the fields are, and what they hold, is the business of `query.py`. Everything else of
the language (mutations, fragments, directives, default values) is refused as a parse error.
https://spec.graphql.org/October2021/
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TOKEN = re.compile(
    r"(?P<skip>[\s,\ufeff]+|#[^\n]*)|(?P<name>[_A-Za-z]\w*)|(?P<int>-?(?:0|[1-9][0-9]*)(?![\w.]))"
    r'|"(?P<string>[^"\\\n]*)"|(?P<mark>[!$():=\[\]{}])',
    re.ASCII,
)
MAX_DOCUMENT_CHARACTERS = 16 * 1024
MAX_DEPTH = 12
CONSTANTS = {"true": True, "false": False, "null": None}


class QueryError(Exception):
    """A query that is answered with errors and without data; `facts` go into the error as is."""

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts


@dataclass(frozen=True, slots=True)
class Variable:
    """A use of a variable in an argument."""

    name: str


@dataclass(frozen=True, slots=True)
class Selection:
    """A field that is asked for: what it shall be called, its arguments, and what of it."""

    name: str
    alias: str
    arguments: Mapping[str, Any]
    selections: tuple["Selection", ...]


@dataclass(frozen=True, slots=True)
class Query:
    """A query: its name, its variables with their types, such as `String!`, and its fields."""

    name: str
    variables: Mapping[str, str]
    selections: tuple[Selection, ...]


def parse_query(text: str) -> Query:
    """Read a document of exactly one query; raises `QueryError`."""
    if len(text) > MAX_DOCUMENT_CHARACTERS:
        raise QueryError("Query is too long")
    reader = Reader(split(text))
    query = reader.read_query()
    if reader.kind != "end":
        raise reader.unexpected()
    return query


def split(text: str) -> list[tuple[str, str]]:
    """Cut a document into (kind, text) pairs; the last one is the end."""
    tokens, position = [], 0
    while position < len(text):
        found = TOKEN.match(text, position)
        if found is None or found.lastgroup is None:
            raise QueryError(f"Parse error on {text[position : position + 1]!r}")
        if found.lastgroup != "skip":
            tokens.append((found.lastgroup, found[found.lastgroup]))
        position = found.end()
    return [*tokens, ("end", "the end")]


class Reader:
    """Reads a query from its tokens, from the first to the last."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens
        self.position = 0
        self.depth = 0

    @property
    def kind(self) -> str:
        """Give the kind of the next token."""
        return self.tokens[self.position][0]

    def unexpected(self) -> QueryError:
        """Make the error about the next token."""
        return QueryError(f"Parse error on {self.tokens[self.position][1]!r}")

    def take(self, kind: str) -> str:
        """Take the next token, which must be of a kind."""
        if self.kind != kind:
            raise self.unexpected()
        self.position += 1
        return self.tokens[self.position - 1][1]

    def accept(self, mark: str) -> bool:
        """Take the next token if it is this mark."""
        found = self.tokens[self.position] == ("mark", mark)
        self.position += found
        return found

    def expect(self, mark: str) -> None:
        """Take the next token, which must be this mark."""
        if not self.accept(mark):
            raise self.unexpected()

    def read_query(self) -> Query:
        """Read `query Name($variable: Type!) { … }`; the short form is a query without a name."""
        name, variables = "", {}
        if self.kind == "name":
            if self.tokens[self.position][1] != "query":
                raise self.unexpected()
            self.position += 1
            name = self.take("name") if self.kind == "name" else ""
            if self.accept("("):
                variables = self.read_variables()
        return Query(name, variables, self.read_selections())

    def read_variables(self) -> dict[str, str]:
        """Read what is declared in parentheses, up to the closing one."""
        variables: dict[str, str] = {}
        while not self.accept(")"):
            self.expect("$")
            name = self.take("name")
            self.expect(":")
            if name in variables:
                raise self.unexpected()
            variables[name] = self.take("name") + ("!" if self.accept("!") else "")
        return variables

    def read_selections(self) -> tuple[Selection, ...]:
        """Read at least one field in braces."""
        self.expect("{")
        self.descend()
        made = [self.read_selection()]
        while not self.accept("}"):
            made.append(self.read_selection())
        self.depth -= 1
        return tuple(made)

    def read_selection(self) -> Selection:
        """Read a field with its alias, its arguments and its own fields, where it has any."""
        alias = name = self.take("name")
        if self.accept(":"):
            name = self.take("name")
        arguments = self.read_pairs(")") if self.accept("(") else {}
        nested = self.tokens[self.position] == ("mark", "{")
        return Selection(name, alias, arguments, self.read_selections() if nested else ())

    def read_pairs(self, end: str) -> dict[str, Any]:
        """Read `name: value` pairs up to the mark that ends them."""
        pairs: dict[str, Any] = {}
        while not self.accept(end):
            name = self.take("name")
            self.expect(":")
            if name in pairs:
                raise self.unexpected()
            pairs[name] = self.read_value()
        return pairs

    def read_value(self) -> Any:
        """Read a value; the name of an enum's member stays a text."""
        if self.accept("$"):
            return Variable(self.take("name"))
        if self.accept("{"):
            self.descend()
            pairs = self.read_pairs("}")
            self.depth -= 1
            return pairs
        if self.kind == "int":
            return int(self.take("int"))
        if self.kind == "string":
            return self.take("string")
        name = self.take("name")
        return CONSTANTS.get(name, name)

    def descend(self) -> None:
        """Go one brace deeper, within reason."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise QueryError("Query is nested too deeply")

"""Answers GraphQL queries about the stand-in's repository and its releases.

A field that GitHub has and this has not is refused by name, never answered with nothing. The
language is read by `graphql.py`; the rules of releases are those of `state.py`.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from release_tool.rehearsal.github.state import GitHubState, Release
from tests.standins.graphql import (
    Query,
    QueryError,
    Selection,
    Variable,
    parse_query,
)

MAX_PAGE = 100
SCALARS = {"String": str, "Int": int}
ENUMS = {"OrderDirection": ("ASC", "DESC")}
ORDERS = ({"field": "CREATED_AT", "direction": "DESC"}, {"field": "CREATED_AT", "direction": "ASC"})


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks: the repository's state, and whether drafts are shown to them."""

    state: GitHubState
    push: bool


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a type: how it is found, its own type, and the arguments it must or may have.

    The type of a scalar is the empty text.
    """

    find: Callable[[Viewer, Any, Mapping[str, Any]], Any]
    type: str = ""
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


def answer_query(viewer: Viewer, document: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the body of a POST: `data`, or `errors` with what could be found."""
    try:
        text, given = document.get("query"), document.get("variables")
        if not isinstance(text, str):
            raise QueryError("A query attribute must be specified and must be a string.")
        query = parse_query(text)
        check_selections("Query", query.selections, (f"query {query.name}".strip(),))
        variables = check_variables(query, given if isinstance(given, dict) else {})
        return resolve_all(viewer, query, variables)
    except QueryError as error:
        return {"errors": [{**error.facts, "message": error.message}]}


def resolve_all(viewer: Viewer, query: Query, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Find everything that a checked query asks for; what is not found is null, with an error."""
    data: dict[str, Any] = {}
    errors = []
    for selection in query.selections:
        try:
            data[selection.alias] = resolve(viewer, "Query", None, selection, variables)
        except QueryError as error:
            data[selection.alias] = None
            errors.append({**error.facts, "path": [selection.alias], "message": error.message})
    return {"data": data, **({"errors": errors} if errors else {})}


def check_selections(kind: str, selections: tuple[Selection, ...], path: tuple[str, ...]) -> None:
    """Check that every field exists, has its arguments, and is asked for its own fields."""
    for selection in selections:
        field = SCHEMA[kind].get(selection.name)
        here = (*path, selection.name)
        if field is None:
            text = f"Field '{selection.name}' doesn't exist on type '{kind}'"
            code = {"code": "undefinedField", "typeName": kind, "fieldName": selection.name}
            raise QueryError(text, path=[*here], extensions=code)
        for name in field.needs:
            if name not in selection.arguments:
                text = f"Field '{selection.name}' is missing required arguments: {name}"
                raise QueryError(text, path=[*here])
        for name in selection.arguments:
            if name not in field.needs + field.takes:
                text = f"Field '{selection.name}' doesn't accept argument '{name}'"
                raise QueryError(text, path=[*here])
        if bool(field.type) != bool(selection.selections):
            wrong = "must have selections" if field.type else "can't have selections"
            raise QueryError(f"Field {wrong} ('{selection.name}')", path=[*here])
        if field.type:
            check_selections(field.type, selection.selections, here)


def check_variables(query: Query, given: Mapping[str, Any]) -> dict[str, Any]:
    """Check that every declared variable has a value of its type."""
    variables = {}
    for name, declared in query.variables.items():
        kind, value = declared.rstrip("!"), given.get(name)
        if kind not in SCALARS and kind not in ENUMS:
            raise QueryError(f"{kind} isn't a defined input type (on ${name})")
        of_kind = type(value) is SCALARS.get(kind) or value in ENUMS.get(kind, ())
        if not of_kind and (value is not None or declared.endswith("!")):
            raise QueryError(f"Variable ${name} of type {declared} was provided invalid value")
        variables[name] = value
    return variables


def resolve(
    viewer: Viewer, kind: str, owner: Any, selection: Selection, variables: Mapping[str, Any]
) -> Any:
    """Find what one field holds, down to the scalars that were asked for."""
    field = SCHEMA[kind][selection.name]
    found = field.find(viewer, owner, fill(selection.arguments, variables))
    if not field.type or found is None:
        return found

    def describe(thing: Any) -> dict[str, Any]:
        return {
            inner.alias: resolve(viewer, field.type, thing, inner, variables)
            for inner in selection.selections
        }

    return [describe(thing) for thing in found] if isinstance(found, list) else describe(found)


def fill(value: Any, variables: Mapping[str, Any]) -> Any:
    """Put the variables' values into arguments."""
    if isinstance(value, Variable):
        if value.name not in variables:
            raise QueryError(f"Variable ${value.name} is used but isn't declared")
        return variables[value.name]
    if isinstance(value, Mapping):
        return {name: fill(inner, variables) for name, inner in value.items()}
    return value


def find_repository(viewer: Viewer, _owner: Any, arguments: Mapping[str, Any]) -> GitHubState:
    """Find the one repository, by its present name in any case."""
    asked = f"{arguments['owner']}/{arguments['name']}"
    if asked.lower() != f"{viewer.state.owner}/{viewer.state.name}".lower():
        text = f"Could not resolve to a Repository with the name '{asked}'."
        raise QueryError(text, type="NOT_FOUND")
    return viewer.state


def find_release(viewer: Viewer, state: GitHubState, arguments: Mapping[str, Any]) -> Any:
    """Find a release by its tag: a published one, else the newest draft if drafts are shown."""
    tag = arguments["tagName"]
    drafts = [item for item in state.releases.values() if item.draft and item.tag == tag]
    newest = max(drafts, key=lambda item: item.id, default=None) if viewer.push else None
    return state.find_published(tag) or newest


def find_releases(
    viewer: Viewer, state: GitHubState, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Cut one page out of the list of releases, from the newest on unless asked otherwise."""
    size, after = arguments["first"], arguments.get("after")
    order = arguments.get("orderBy") or ORDERS[0]
    if type(size) is not int or not 0 < size <= MAX_PAGE:
        text = f"Requesting {size} records on the `releases` connection is out of its limits."
        raise QueryError(text, type="EXCESSIVE_PAGINATION")
    if order not in ORDERS:
        raise QueryError("The stand-in orders releases by CREATED_AT only")
    listed = state.list_releases(drafts=viewer.push)
    if order["direction"] == "ASC":
        listed.reverse()
    cursors = [make_cursor(release) for release in listed]
    if after is not None and after not in cursors:
        raise QueryError(f"`{after}` does not appear to be a valid cursor.")
    start = 0 if after is None else cursors.index(after) + 1
    page, ends = listed[start : start + size], cursors[start : start + size]
    more = {"hasNextPage": start + size < len(listed), "endCursor": ends[-1] if ends else None}
    return {"nodes": page, "pageInfo": more}


def make_cursor(release: Release) -> str:
    """Make the text that marks a release's place in the list."""
    return base64.b64encode(f"release:{release.id}".encode()).decode()


def find_type(_viewer: Viewer, _owner: Any, arguments: Mapping[str, Any]) -> str | None:
    """Find a type by its name, as clients do to learn which fields they may ask for."""
    return next((name for name in SCHEMA if name == arguments["name"]), None)


def member(name: str) -> Field:
    """Make a scalar field that is an attribute of a release."""
    return Field(lambda _viewer, release, _arguments: getattr(release, name))


def item(name: str, kind: str = "") -> Field:
    """Make a field that lies ready under its name."""
    return Field(lambda _viewer, owner, _arguments: owner[name], kind)


SCHEMA: dict[str, dict[str, Field]] = {
    "Query": {
        "repository": Field(find_repository, "Repository", needs=("owner", "name")),
        "__type": Field(find_type, "__Type", needs=("name",)),
    },
    "Repository": {
        "release": Field(find_release, "Release", needs=("tagName",)),
        "releases": Field(
            find_releases, "ReleaseConnection", needs=("first",), takes=("after", "orderBy")
        ),
    },
    "ReleaseConnection": {
        "nodes": item("nodes", "Release"),
        "pageInfo": item("pageInfo", "PageInfo"),
    },
    "PageInfo": {"hasNextPage": item("hasNextPage"), "endCursor": item("endCursor")},
    "Release": {
        "databaseId": member("id"),
        "name": member("name"),
        "tagName": member("tag"),
        "isDraft": member("draft"),
        "isPrerelease": member("prerelease"),
        "isLatest": Field(lambda viewer, release, _: viewer.state.latest == release.id),
        "immutable": member("immutable"),
        "createdAt": member("created_at"),
        "publishedAt": member("published_at"),
    },
    "__Type": {
        "name": Field(lambda _viewer, kind, _arguments: kind),
        "fields": Field(
            lambda _viewer, kind, _arguments: list(SCHEMA[kind]),
            "__Field",
            takes=("includeDeprecated",),
        ),
    },
    "__Field": {"name": Field(lambda _viewer, name, _arguments: name)},
}
"""What can be asked for: type, field. `__type` answers from it, so clients adapt to it."""

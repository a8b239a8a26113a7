"""The GraphQL half of the GitHub stand-in: asked as `gh` asks, and as nobody should."""

import contextlib
import re

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_tool.rehearsal.github.standin import Fault
from tests.standins.github import start_whole_github
from tests.standins.graphql import QueryError, parse_query

REPO = "/repos/rehearsal/u2netp-mirror"
NAMED = {"owner": "rehearsal", "name": "u2netp-mirror"}
# As gh 2.103 sends them; 2.23 and 2.46 ask for less in the same words.
LIST = """query RepositoryReleaseList($direction:OrderDirection!$endCursor:String$name:String!\
$owner:String!$perPage:Int!){repository(owner: $owner, name: $name){releases(first: $perPage, \
orderBy: {field: CREATED_AT, direction: $direction}, after: $endCursor){nodes{name,tagName,isDraft,\
immutable,isLatest,isPrerelease,createdAt,publishedAt},pageInfo{hasNextPage,endCursor}}}}"""
BY_TAG = """query RepositoryReleaseByTag($name:String!$owner:String!$tagName:String!){\
repository(owner: $owner, name: $name){release(tagName: $tagName){databaseId,isDraft}}}"""
FIELDS = 'query Release_fields{Release: __type(name: "Release"){fields{name}}}'


class Asker:
    """A stand-in with releases v1 (published) and v2 (a draft), and somebody who asks."""

    def __init__(self, stand_in, stack):
        self.stand_in = stand_in
        headers = {"Authorization": f"Bearer {stand_in.token}"}
        client = httpx.Client(base_url=stand_in.api, headers=headers, trust_env=False)
        self.client = stack.enter_context(client)
        self.drafts = {tag: self.make(tag) for tag in ("v1", "v2")}
        document = {"tag_name": "v1", "target_commitish": "main", "draft": False}
        self.client.patch(self.drafts["v1"]["url"], json=document).raise_for_status()

    def make(self, tag):
        document = {"tag_name": tag, "draft": True}
        return self.client.post(f"{REPO}/releases", json=document).raise_for_status().json()

    def ask(self, query, **variables):
        answer = self.client.post("/graphql", json={"query": query, "variables": variables})
        assert answer.status_code == 200
        return answer.json()

    def list(self, **changed):
        variables = {**NAMED, "perPage": 30, "endCursor": None, "direction": "DESC"} | changed
        return self.ask(LIST, **variables)["data"]["repository"]["releases"]

    def error(self, query, **variables):
        answer = self.ask(query, **variables)
        assert "data" not in answer
        (error,) = answer["errors"]
        return error["message"]


@pytest.fixture
def github():
    with contextlib.ExitStack() as stack:
        yield Asker(stack.enter_context(start_whole_github()), stack)


@pytest.fixture(scope="module")
def unchanged():
    """Serve the tests that ask and change nothing."""
    with contextlib.ExitStack() as stack:
        yield Asker(stack.enter_context(start_whole_github()), stack)


def test_releases_are_listed_with_what_the_rest_api_says_of_them(unchanged):
    listed = unchanged.list()
    published = unchanged.client.get(f"{REPO}/releases/tags/v1").json()
    assert listed["nodes"] == [
        {
            "name": None,
            "tagName": tag,
            "isDraft": tag == "v2",
            "immutable": False,
            "isLatest": tag == "v1",
            "isPrerelease": False,
            "createdAt": unchanged.drafts[tag]["created_at"],
            "publishedAt": published["published_at"] if tag == "v1" else None,
        }
        for tag in ("v2", "v1")
    ]
    assert not listed["pageInfo"]["hasNextPage"]


def test_a_list_comes_page_by_page_in_either_order(unchanged):
    first = unchanged.list(perPage=1)
    assert first["pageInfo"]["hasNextPage"]
    second = unchanged.list(perPage=1, endCursor=first["pageInfo"]["endCursor"])
    assert [page["nodes"][0]["tagName"] for page in (first, second)] == ["v2", "v1"]
    assert not second["pageInfo"]["hasNextPage"]
    assert [node["tagName"] for node in unchanged.list(direction="ASC")["nodes"]] == ["v1", "v2"]


def test_drafts_are_shown_to_those_who_may_push_and_to_nobody_else(github):
    draft = {"databaseId": github.drafts["v2"]["id"], "isDraft": True}
    asked = {**NAMED, "tagName": "v2"}
    assert github.ask(BY_TAG, **asked) == {"data": {"repository": {"release": draft}}}
    github.stand_in.state.push = False
    assert github.ask(BY_TAG, **asked) == {"data": {"repository": {"release": None}}}
    assert [node["tagName"] for node in github.list()["nodes"]] == ["v1"]


def test_a_published_release_comes_before_a_draft_of_its_tag(github):
    github.make("v1")
    found = github.ask(BY_TAG, **NAMED, tagName="v1")["data"]["repository"]["release"]
    assert found == {"databaseId": github.drafts["v1"]["id"], "isDraft": False}


def test_a_new_draft_lags_behind_in_this_list_too(github):
    github.stand_in.state.list_lag = 1
    github.make("v3")
    assert [len(github.list()["nodes"]) for _ in range(2)] == [2, 3]


def test_clients_can_ask_which_fields_there_are(unchanged):
    fields = unchanged.ask(FIELDS)["data"]["Release"]["fields"]
    assert {"name": "immutable"} in fields
    assert unchanged.ask('{__type(name: "None"){name}}')["data"] == {"__type": None}
    assert unchanged.ask('{a: __type(name: "PageInfo"){name}}')["data"] == {
        "a": {"name": "PageInfo"}
    }


def test_another_repository_is_null_with_an_error_and_names_ignore_case(unchanged):
    answer = unchanged.ask(BY_TAG, owner="rehearsal", name="none", tagName="v1")
    assert answer["data"] == {"repository": None}
    assert answer["errors"][0]["type"] == "NOT_FOUND"
    assert answer["errors"][0]["path"] == ["repository"]
    assert "errors" not in unchanged.ask(
        BY_TAG, owner="Rehearsal", name="U2NETP-Mirror", tagName="v1"
    )


def test_whoever_has_no_token_or_a_wrong_one_is_told_nothing(unchanged):
    url = f"{unchanged.stand_in.api}/graphql"
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        answer = httpx.post(url, json={"query": FIELDS}, headers=headers, trust_env=False)
        assert answer.status_code == 401
        assert answer.headers["x-github-request-id"]


def test_queries_are_a_kind_of_call_that_can_fail_on_cue(github):
    github.stand_in.faults.append(Fault.parse("other:502:2"))
    answers = [github.client.post("/graphql", json={"query": FIELDS}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 502, 200]
    assert github.stand_in.requests[-1].kind == "other"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "Parse error on 'the end'"),
        ("query", "Parse error on 'the end'"),
        ("{repository", "Parse error on 'the end'"),
        ("{}", "Parse error on '}'"),
        ("mutation{a}", "Parse error on 'mutation'"),
        ("{a} {b}", "Parse error on '{'"),
        ("{...f}", r"Parse error on '\.'"),
        ("{a @skip(if: true)}", "Parse error on '@'"),
        ("query($a: Int = 1){b}", "Parse error on '='"),
        ("query($a: [Int]){b}", r"Parse error on '\['"),
        ("query($a: Int $a: Int){b}", "Parse error on 'Int'"),
        ("{a(b: 1, b: 2)}", "Parse error on '2'"),
        ("{a(b: 1.5)}", "Parse error on '1'"),
        ('{a(b: "\\u0041")}', "Parse error on '\"'"),
        ("{a(b: [1])}", r"Parse error on '\['"),
        ("{" * 99, "Parse error on '{'"),
        ("{a" * 99, "nested too deeply"),
        ("{a(b:" + "{c:" * 99, "nested too deeply"),
        ("#" * 99_999, "too long"),
        ("{other}", "Field 'other' doesn't exist on type 'Query'"),
        ("{repository{name}}", "missing required arguments: owner"),
        ('{__type(name: "a", b: 1){name}}', "doesn't accept argument 'b'"),
        ('{__type(name: "a")}', r"Field must have selections \('__type'\)"),
        ('{__type(name: "a"){name{a}}}', r"Field can't have selections \('name'\)"),
        ("query($a: Int!){__type(name: $a){name}}", r"\$a of type Int! was provided invalid"),
        ("query($a: Date){__type(name: $a){name}}", r"Date isn't a defined input type"),
    ],
)
def test_what_is_no_known_query_is_refused_in_graphqls_own_form(unchanged, query, message):
    assert re.search(message, unchanged.error(query))


@pytest.mark.parametrize(
    "changed",
    [
        {"perPage": 0},
        {"perPage": 101},
        {"perPage": "x"},
        {"perPage": True},
        {"perPage": None},
        {"endCursor": "none"},
        {"endCursor": 5},
        {"direction": "SIDEWAYS"},
        {"owner": None},
    ],
)
def test_a_page_that_cannot_be_is_an_error(unchanged, changed):
    variables = {**NAMED, "perPage": 30, "endCursor": None, "direction": "DESC"} | changed
    answer = unchanged.ask(LIST, **variables)
    assert answer["errors"]
    assert not (answer.get("data") or {}).get("repository")


def test_an_order_that_the_stand_in_does_not_know_is_an_error(unchanged):
    query = LIST.replace("CREATED_AT", "NAME")
    answer = unchanged.ask(query, **NAMED, perPage=1, direction="ASC")
    assert "CREATED_AT only" in answer["errors"][0]["message"]


def test_a_variable_that_was_not_declared_is_an_error(unchanged):
    answer = unchanged.ask("{__type(name: $a){name}}", a="Release")
    assert answer["data"] == {"__type": None}
    assert "$a is used but isn't declared" in answer["errors"][0]["message"]


def test_a_body_without_a_query_is_an_error(unchanged):
    for body in ({}, {"query": 5}, {"query": None}):
        answer = unchanged.client.post("/graphql", json=body).json()
        assert "must be a string" in answer["errors"][0]["message"]
    assert unchanged.client.post("/graphql", content=b"[").status_code == 400
    assert unchanged.client.get("/graphql").status_code == 405


def test_a_query_is_read_with_its_aliases_values_and_comments():
    query = parse_query(
        "query Q($a: Int!) { # a comment\n b: c(d: $a, e: {f: [], g: true}) }".replace("[]", "-3")
    )
    (selection,) = query.selections
    assert (query.name, dict(query.variables)) == ("Q", {"a": "Int!"})
    assert (selection.alias, selection.name) == ("b", "c")
    assert selection.arguments["e"] == {"f": -3, "g": True}


@given(st.text(alphabet='{}():$!=[]"#, \n-1aZ_query', max_size=60))
def test_any_text_is_a_query_or_an_error(text):
    with contextlib.suppress(QueryError):
        parse_query(text)

"""How one stand-in asks another over its socket: small JSON documents, never through a proxy.

The services under rehearsal talk to each other as the real ones do; no client of theirs is used.
"""

import http.client
import json
import urllib.request
from typing import Any

from release_tool.core.documents import JsonObject, parse_json_object

TIMEOUT_SECONDS = 10.0
MAX_ANSWER_BYTES = 1024 * 1024
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Unreachable(Exception):
    """The other service did not answer, or not with a success."""


def exchange_json(url: str, value: Any = None) -> JsonObject:
    """Get a JSON object, or post a JSON document and return the object that answers it.

    Raises `Unreachable`, or `InputError` where the answer is no object.
    """
    body = None if value is None else json.dumps(value).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310
    try:
        with OPENER.open(request, timeout=TIMEOUT_SECONDS) as answer:
            return parse_json_object(answer.read(MAX_ANSWER_BYTES), url)
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"no good answer from {url}: {error}") from error

"""How one stand-in asks another over its socket: small JSON documents, never through a proxy.

The services under rehearsal talk to each other as the real ones do; no client of theirs is used.
"""

import http.client
import json
import urllib.parse
from typing import Any

from release_tool.core.documents import JsonObject, parse_json_object

TIMEOUT_SECONDS = 10.0
MAX_ANSWER_BYTES = 1024 * 1024


class Unreachable(Exception):
    """The other service did not answer, or not with a success."""


def fetch_json(url: str) -> JsonObject:
    """Get a JSON object; raises `Unreachable`, or `InputError` where it is none."""
    return exchange("GET", url, None)


def send_json(url: str, value: Any) -> JsonObject:
    """Post a JSON document and return the JSON object that answers it; raises as `fetch_json`."""
    return exchange("POST", url, json.dumps(value).encode())


def exchange(method: str, url: str, body: bytes | None) -> JsonObject:
    """Send one request on a connection of its own."""
    parts = urllib.parse.urlsplit(url)
    peer = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_SECONDS)
    try:
        peer.request(method, parts.path, body, {"Content-Type": "application/json"})
        answer = peer.getresponse()
        content = answer.read(MAX_ANSWER_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"no answer from {url}") from error
    finally:
        peer.close()
    if answer.status != http.HTTPStatus.OK:
        raise Unreachable(f"{url} answered {answer.status}")
    return parse_json_object(content, url)

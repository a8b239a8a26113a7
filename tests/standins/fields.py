"""Single fields of requests that tests alone send."""

from release_tool.rehearsal.exchange import Refusal, Request


def query_number(request: Request, name: str) -> int:
    """Read a number from the query; raises `Refusal` 400."""
    text = request.query.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise Refusal(400, f"{name} is not a number")
    return int(text)

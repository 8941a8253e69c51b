"""Filters of routes as values."""

from portway.routing.filters import header_edit
from portway.routing.table import HeaderEdit


def test_what_frames_a_message_is_left_as_it_is() -> None:
    """Else a route could make a backend read two requests where the door has read one."""
    fields = [{"name": name, "value": "3"} for name in ("Content-Length", "connection", "X-Own", "Host")]
    edit = header_edit({"set": fields, "add": fields[:3], "remove": ["Transfer-Encoding", "User-Agent"]})
    assert edit == HeaderEdit((("X-Own", "3"), ("Host", "3")), (("X-Own", "3"),), ("User-Agent",))

"""What serves doors: HAProxy, or the built-in router."""

from typing import Literal

EngineName = Literal["haproxy", "builtin"]


def engine_for(asked: str, *, installed: bool) -> EngineName:
    """`asked`: `haproxy`, `builtin`, or `auto`: HAProxy where it is installed."""
    return "haproxy" if asked == "haproxy" or (asked == "auto" and installed) else "builtin"

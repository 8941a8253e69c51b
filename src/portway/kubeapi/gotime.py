"""Timestamps as Go's time.Parse reads them, with its words for what it cannot read.

Source: Go's time package (format.go, ParseError); metav1.Time and metav1.MicroTime in k8s.io/apimachinery.
"""

import calendar
import re
from datetime import UTC, datetime

RFC3339 = "2006-01-02T15:04:05Z07:00"
"""Go's name of the layout of metav1.Time; a fraction of a second may follow the seconds."""
RFC3339_MICRO = "2006-01-02T15:04:05.000000Z07:00"
"""The layout of metav1.MicroTime: exactly six digits of fraction."""

_DATE = (
    ("2006", r"\d{4}"),
    ("-", "-"),
    ("01", r"\d{2}"),
    ("-", "-"),
    ("02", r"\d{2}"),
    ("T", "T"),
    ("15", r"\d{2}"),
    (":", ":"),
    ("04", r"\d{2}"),
    (":", ":"),
    ("05", r"\d{2}"),
)
_SECONDS = (*_DATE, ("", r"(?:[.,]\d+)?"), ("Z07:00", r"Z|[+-]\d{2}:\d{2}"))
_MICROSECONDS = (*_DATE, (".000000", r"[.,]\d{6}(?!\d)"), ("Z07:00", r"Z|[+-]\d{2}:\d{2}"))


def canonical(text: str, micro: bool = False) -> str:
    """A timestamp as Kubernetes writes it: UTC, whole seconds or (`micro`) six digits of them.

    Raises ValueError in Go's words when it is none.
    """
    if why := refusal(text, micro):
        raise ValueError(why)
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return text  # a year or an offset that Go can count with and Python cannot
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds" if micro else "seconds") + "Z"


def refusal(text: str, micro: bool = False) -> str:
    """Why `text` is no timestamp, in Go's words; empty when it is one."""
    layout, parts = (RFC3339_MICRO, _MICROSECONDS) if micro else (RFC3339, _SECONDS)
    found: list[str] = []
    rest = text
    for part, pattern in parts:
        match = re.match(pattern, rest)
        if match is None:
            return f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "{part}"'
        found.append(match[0])
        rest = rest[match.end() :]
    why = _out_of_range(found) or (f'extra text: "{rest}"' if rest else "")
    return f'parsing time "{text}": {why}' if why else ""


def _out_of_range(found: list[str]) -> str:
    year, month, day, hour, minute, second = (int(found[i]) for i in (0, 2, 4, 6, 8, 10))
    if not 1 <= month <= 12:
        return "month out of range"
    # Python's calendar begins with year 1; year 0 is a leap year as 2000 is.
    if not 1 <= day <= calendar.monthrange(year or 2000, month)[1]:
        return "day out of range"
    for name, value, end in (("hour", hour, 24), ("minute", minute, 60), ("second", second, 60)):
        if value >= end:
            return f"{name} out of range"
    return ""

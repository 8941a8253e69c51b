"""Numbers, times and long names as people read them."""

import re
from datetime import datetime

_STEPS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = r"(\d+(?:\.\d*)?|\.\d+)(ms|us|µs|ns|h|m|s)"


def size(count: float) -> str:
    """Bytes with a decimal prefix: `0B`, `999B`, `1.2kB`, `34MB`."""
    for step in _STEPS:
        if count < 999.5 or step == _STEPS[-1]:
            break
        count /= 1000
    return f"{count:.1f}{step}" if count < 9.95 and step != "B" else f"{count:.0f}{step}"


def count(number: float) -> str:
    """A count or a rate: `0`, `0.4`, `12`, `1.2k`, `3M`."""
    if number < 9.95 and number != round(number):
        return f"{number:.1f}"
    return size(number).removesuffix("B")


def seconds(duration: float) -> str:
    """`3ms`, `1.4s`, `2m03s`, `5h07m`, `3d02h`."""
    if duration < 0.9995:
        return f"{duration * 1000:.0f}ms"
    if duration < 59.95:
        return f"{duration:.1f}s"
    minutes, rest = divmod(round(duration), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours < 24 else f"{hours // 24}d{hours % 24:02}h"


def seconds_of(text: str) -> float:
    """A duration as Go writes it. Raises ValueError."""
    if text != "0" and not re.fullmatch(f"({_PART})+", text):
        raise ValueError(f"{text!r} is not a duration like 500ms, 1s or 1h0m0s")
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(_PART, text))


def clock(moment: float, now: float) -> str:
    """Local time of day; with the date when it is not today's."""
    when = datetime.fromtimestamp(moment)
    return f"{when:%H:%M:%S}" if when.date() == datetime.fromtimestamp(now).date() else f"{when:%b %d %H:%M}"


def stamp(moment: float) -> str:
    """Local date and time, with the offset from UTC."""
    return datetime.fromtimestamp(moment).astimezone().isoformat(sep=" ", timespec="seconds")


def shortened(text: str, width: int) -> str:
    """At most `width` characters: the middle goes, since names differ at their ends."""
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return f"{text[: width - 1 - tail]}…{text[len(text) - tail :]}" if width > 1 else text[:width]

"""How long ago, as Kubernetes tells people.

Source: k8s.io/apimachinery pkg/util/duration.
"""

from datetime import datetime

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400


def human_duration(seconds: float) -> str:
    """Two or three significant figures: `5s`, `2m3s`, `3h5m`, `2d4h`, `400d`, `2y3d`; `<invalid>` below -1 s."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 2 * _MINUTE:
        return f"{max(whole, 0)}s"
    for limit, unit, letter, finer, finer_letter in _STEPS:
        if whole < limit:
            count, rest = divmod(whole, unit)
            fraction = rest // finer if finer else 0
            return f"{count}{letter}" + (f"{fraction}{finer_letter}" if fraction else "")
    return f"{whole // _YEAR}y"


_STEPS = (
    (10 * _MINUTE, _MINUTE, "m", 1, "s"),
    (3 * _HOUR, _MINUTE, "m", 0, ""),
    (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
    (2 * _DAY, _HOUR, "h", 0, ""),
    (8 * _DAY, _DAY, "d", _HOUR, "h"),
    (2 * _YEAR, _DAY, "d", 0, ""),
    (8 * _YEAR, _YEAR, "y", _DAY, "d"),
)
"""(below this many seconds, unit, its letter, finer unit or 0, its letter)."""


def seconds_of(timestamp: str) -> float | None:
    """Seconds since the epoch of an RFC 3339 timestamp; None when it is none."""
    try:
        return datetime.fromisoformat(timestamp).timestamp()
    except ValueError:
        return None


def since(timestamp: str | None, now: float) -> str:
    """The age of something that happened at `timestamp`; `<unknown>` when that is not known."""
    then = seconds_of(timestamp) if timestamp else None
    return "<unknown>" if then is None else human_duration(now - then)

"""ingress-nginx's annotations for CORS become what a CORS filter is, with that controller's defaults.

`enable-cors: "true"` switches them on. Source: ingress-nginx, user guide "Annotations", Enable CORS.
"""

import re
from collections.abc import Callable, Iterator

from portway.routing.cors import ANY
from portway.routing.table import Cors

NAMES = (
    "enable-cors",
    "cors-allow-origin",
    "cors-allow-methods",
    "cors-allow-headers",
    "cors-expose-headers",
    "cors-allow-credentials",
    "cors-max-age",
)
Value = Callable[[str], str]
"""Of an annotation, by its name without the prefix; empty: there is none."""

_METHODS = ("GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS")
_HEADERS = (
    *("DNT", "Keep-Alive", "User-Agent", "X-Requested-With", "If-Modified-Since", "Cache-Control", "Content-Type"),
    *("Range", "Authorization"),
)
_MAX_AGE = 1728000
_ORIGIN = re.compile(r"https?://(\*\.)?[A-Za-z0-9.-]+(:[0-9]+)?", re.IGNORECASE)
_METHOD, _NAME = re.compile("[A-Za-z]+"), re.compile("[A-Za-z0-9_-]+")
_NAME_OR_ANY = re.compile(r"[A-Za-z0-9_-]+|\*")


def cors_of(value: Value) -> Cors | None:
    """None: it is not switched on. What cannot be read counts as if it were not there; a bad origin is none."""
    if value("enable-cors").strip().lower() != "true":
        return None
    origins = _words(value("cors-allow-origin")) or [ANY]
    is_open = ANY in origins
    return Cors(
        origins=(ANY,) if is_open else tuple(one for one in origins if _ORIGIN.fullmatch(one)),
        methods=_listed(value("cors-allow-methods"), _METHOD) or _METHODS,
        headers=_listed(value("cors-allow-headers"), _NAME) or _HEADERS,
        expose=_listed(value("cors-expose-headers"), _NAME_OR_ANY),
        # to everybody nginx says `*`, which browsers take for "without credentials" whatever else is said
        credentials=not is_open and value("cors-allow-credentials").strip().lower() != "false",
        max_age=_seconds(value("cors-max-age")),
        one_label=True,
    )


def problems(value: Value) -> Iterator[tuple[str, str]]:
    """(annotation, what is wrong with it)."""
    for origin in _words(value("cors-allow-origin")):
        if origin != ANY and not _ORIGIN.fullmatch(origin):
            yield "cors-allow-origin", f"{origin!r} is no origin such as https://shop.example or https://*.shop.example"
    for name, pattern in (
        ("cors-allow-methods", _METHOD),
        ("cors-allow-headers", _NAME),
        ("cors-expose-headers", _NAME_OR_ANY),
    ):
        if _words(value(name)) and not _listed(value(name), pattern):
            yield name, f"{value(name)!r} is no list of names with commas between"
    if (age := value("cors-max-age").strip()) and not _is_number(age):
        yield "cors-max-age", f"{age!r} is no number of seconds"


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[,\s]+", text) if word]


def _listed(text: str, pattern: re.Pattern[str]) -> tuple[str, ...]:
    """All of them or none."""
    words = _words(text)
    return tuple(words) if all(pattern.fullmatch(word) for word in words) else ()


def _seconds(text: str) -> int:
    return int(text) if _is_number(text.strip()) else _MAX_AGE


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()

"""GOAWAY, read and written beside h2, which takes it for the end of the connection. Pure.

Source: RFC 9113 6.8: it says which streams will still be served, and these go on. h2 (4.x) serves none any more,
whichever side says it; so frames are told apart here, and those of this type are kept from it.
"""

from msgspec import Struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
NO_ERROR, INTERNAL_ERROR, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM = 0, 2, 6, 7, 8, 11
"""The words for why a stream or a connection ends (RFC 9113 7) that mean something here."""
ALL = 2**31 - 1
"""The last stream of a farewell that takes leave of none yet."""
_GOAWAY, _HEAD = 7, 9
_LARGEST = 1 << 14
"""Bytes of a frame (SETTINGS_MAX_FRAME_SIZE, which we leave as it is); h2 would wait for all of a larger one."""


class Farewell(Struct, frozen=True):
    """What a GOAWAY says."""

    last: int
    """The last stream that was or may be looked at."""
    code: int


class Frames:
    """Takes a peer's farewells out of what it sends."""

    def __init__(self, preface: bool) -> None:
        self._left = len(PREFACE) if preface else 0
        """Bytes of the present frame that pass as they are."""
        self._held = b""
        """The beginning of a frame that is not known yet, or of a farewell."""

    def feed(self, data: bytes) -> tuple[bytes, list[Farewell]]:
        """The bytes for h2, and the farewells among them. Raises ValueError for what cannot be read."""
        if len(data) < self._left:
            self._left -= len(data)
            return data, []
        data, start = self._held + data, 0
        passed: list[bytes] = []
        farewells: list[Farewell] = []
        at = self._left
        while at + _HEAD <= len(data):
            size = int.from_bytes(data[at : at + 3])
            if size > _LARGEST:
                raise ValueError(f"a frame of {size} bytes")
            end = at + _HEAD + size
            if data[at + 3] == _GOAWAY:
                if end > len(data):
                    break
                passed.append(data[start:at])
                farewells.append(_read(data[at + _HEAD : end]))
                start = end
            at = end
        return self._kept(data, start, at, passed), farewells

    def _kept(self, data: bytes, start: int, at: int, passed: list[bytes]) -> bytes:
        """Pass on what is known to be no farewell; `at`: where the next frame begins, which may be later."""
        known = min(at, len(data))
        self._left, self._held = max(0, at - len(data)), data[known:]
        passed.append(data[start:known])
        return b"".join(passed)


def farewell(last: int, code: int) -> bytes:
    """A GOAWAY frame."""
    return b"\0\0\x08" + bytes((_GOAWAY, 0)) + b"\0\0\0\0" + last.to_bytes(4) + code.to_bytes(4)


def _read(payload: bytes) -> Farewell:
    if len(payload) < 8:
        raise ValueError("a farewell that is too short")
    return Farewell(int.from_bytes(payload[:4]) & ALL, int.from_bytes(payload[4:8]))

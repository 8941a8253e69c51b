"""The server name that a TLS client asks for, out of its first bytes. Pure; source: RFC 8446 4.1.2, RFC 6066 3."""

_HANDSHAKE, _CLIENT_HELLO, _SERVER_NAME, _HOST_NAME = 22, 1, 0, 0


class NotTls(ValueError):
    """These bytes do not begin a TLS connection."""


def server_name(data: bytes) -> str | None:
    """Lower case; "" when the client names none; None while more bytes are needed. Raises NotTls."""
    hello = _first_message(data)
    if hello is None:
        return None
    try:
        return _name_of(hello)
    except IndexError:
        raise NotTls("a ClientHello ends in the middle") from None


def _first_message(data: bytes) -> bytes | None:
    """The ClientHello's body, which may be spread over records; None: not all of it is here."""
    if data[:1] and data[0] != _HANDSHAKE:
        raise NotTls("not a TLS handshake")
    message = b""
    while len(data) >= 5 and data[0] == _HANDSHAKE:
        length = int.from_bytes(data[3:5])
        message += data[5 : 5 + length]
        if len(message) >= 4:
            if message[0] != _CLIENT_HELLO:
                raise NotTls("a TLS handshake that does not begin with a ClientHello")
            whole = 4 + int.from_bytes(message[1:4])
            if len(message) >= whole:
                return message[4:whole]
        if len(data) < 5 + length:
            return None
        data = data[5 + length :]
    return None


def _name_of(hello: bytes) -> str:
    at = 34  # version, random
    at += 1 + hello[at]  # session
    at += 2 + _number(hello, at)  # cipher suites
    at += 1 + hello[at]  # compression
    end = at + 2 + _number(hello, at) if at < len(hello) else at
    at += 2
    while at < end:
        kind, length = _number(hello, at), _number(hello, at + 2)
        if kind == _SERVER_NAME:
            return _host(hello[at + 4 : at + 4 + length])
        at += 4 + length
    return ""


def _host(names: bytes) -> str:
    if names[2] != _HOST_NAME:
        return ""
    return names[5 : 5 + _number(names, 3)].decode("latin-1").lower()


def _number(data: bytes, at: int) -> int:
    return data[at] << 8 | data[at + 1]

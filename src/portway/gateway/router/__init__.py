"""The built-in router: HTTP/1.1 on asyncio, always there; llhttp (httptools) reads what comes over the wire.

A connection of a client is a `Downstream`, of a backend an `Upstream`; an `Answering` exchange joins one request of
the former with one response of the latter. Bytes are passed on as they come, in callbacks; whoever is slower holds
the other one back. What is decided is `routing.decide`'s: this room decides nothing but which endpoint's turn it is.
"""

from portway.gateway.router.server import BuiltinEngine

__all__ = ["BuiltinEngine"]

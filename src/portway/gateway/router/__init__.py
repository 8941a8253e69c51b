"""The built-in router: HTTP on asyncio, always there. llhttp (httptools) reads HTTP/1 off the wire, h2 HTTP/2.

A client's connection is a `Newcomer` until it is known what it speaks, then a `Downstream` or an `Http2Downstream`.
Each request that comes is an `Incoming` with a `Reply`, its way back; an `Answering` exchange joins it with an
`Upstream`: a connection to a backend that is lent, or a stream of one that is shared. Exchanges do not know which
version either side speaks. Bytes are passed on as they come, in callbacks; whoever is slower holds the other one back.
What is decided is `routing.decide`'s: this room decides nothing but which endpoint's turn it is.
"""

from portway.gateway.router.server import BuiltinEngine

__all__ = ["BuiltinEngine"]

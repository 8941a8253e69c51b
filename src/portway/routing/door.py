"""One door's part of a table, so that its engine does nothing when others change."""

from collections.abc import Iterator

from portway.routing.table import Listener, Route, RouteTable


def of_door(table: RouteTable, door: str) -> RouteTable:
    """The door's listeners, and the pools and certificates that these name."""
    listeners = tuple(listener for listener in table.listeners if listener.door == door)
    pools = {name for listener in listeners for route in routes_of(listener) for name in pools_of(route)}
    certificates = {name for listener in listeners for name in listener.certificates}
    certificates |= {pool.tls.certificate for name, pool in table.pools.items() if name in pools and pool.tls}
    return RouteTable(
        listeners,
        {name: pool for name, pool in table.pools.items() if name in pools},
        {name: certificate for name, certificate in table.certificates.items() if name in certificates},
    )


def routes_of(listener: Listener) -> Iterator[Route]:
    """Of all its virtual hosts."""
    for host in listener.hosts:
        yield from host.routes


def pools_of(route: Route) -> Iterator[str]:
    """Keys of the pools that it may send requests to."""
    for backend in route.backends:
        if backend.pool:
            yield backend.pool
    for mirror in route.mirrors:
        yield mirror.pool

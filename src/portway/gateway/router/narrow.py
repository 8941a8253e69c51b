"""A listener with only the hosts that may take a request, so that a door with thousands of hosts decides as quickly."""

from msgspec import Struct
from msgspec.structs import replace

from portway.routing.table import Listener


class Narrowed(Struct, frozen=True):
    """By host; `decide` says the same of a listener and of what `to` makes of it."""

    listener: Listener
    exact: dict[str, Listener]
    others: Listener

    @classmethod
    def of(cls, listener: Listener, old: "Narrowed | None") -> "Narrowed":
        """The old one, if it is of the same listener."""
        if old is not None and old.listener == listener:
            return old
        wild = tuple(host for host in listener.hosts if host.hostname[:1] in ("", "*"))
        named = [host for host in listener.hosts if host.hostname[:1] not in ("", "*")]
        exact = {host.hostname: replace(listener, hosts=(host,)) for host in named}
        return cls(listener, exact, replace(listener, hosts=wild))

    def to(self, host: str) -> Listener:
        """An exact name goes before wildcards and before the host that takes any."""
        return self.exact.get(host, self.others)

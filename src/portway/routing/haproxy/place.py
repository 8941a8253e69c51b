"""Where a door's HAProxy has things, and who it is once it has its ports."""

from msgspec import Struct


class Place(Struct, frozen=True):
    """On this machine."""

    folder: str
    """Private; configuration, keys and maps are in it, and sockets for whoever rules it."""
    addresses: tuple[str, ...]
    user: int = 0
    """Who workers become, shut into `sockets`; 0: they stay who they are."""
    group: int = 0
    trusted: str = "@system-ca"
    """A file with the authorities that this machine trusts, or HAProxy's word for where OpenSSL has them."""

    @property
    def sockets(self) -> str:
        """The folder of what workers speak to: of all that lies in `folder`, they need to see no more."""
        return f"{self.folder}/sockets"

    def map(self, name: str) -> str:
        """A map's file."""
        return f"{self.folder}/{name}.map"

    def bind(self, name: str) -> str:
        """A socket where a new worker listens; it is bound before the worker becomes another, who is to reach it."""
        return f"unix@{self.sockets}/{name} mode 600{f' uid {self.user}' if self.user else ''}"

    def seen(self, name: str) -> str:
        """The path of a socket for a worker that runs."""
        return f"{'' if self.user else self.sockets}/{name}"

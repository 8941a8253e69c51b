"""Which records a reader asked for."""

from msgspec import Struct

from portway.accesslog.lines import moment
from portway.accesslog.record import Record

_ENDLESS = float("inf")


class Selection(Struct, frozen=True):
    """Everything that is given must hold."""

    namespace: str = ""
    """Of the Service, or of the pod that was dialled without one; "" is all."""
    services: frozenset[tuple[str, str]] = frozenset()
    """(namespace, name); empty is all."""
    since: float = 0.0
    """What ended (or was refused) at this moment or later, in seconds since the epoch."""
    until: float = _ENDLESS
    """And before this one."""
    denied: bool = False
    """Only what was not let in, whatever the reason."""

    def takes(self, record: Record) -> bool:
        """Whether the record is one of them."""
        if self.denied and record.verdict == "FORWARDED":
            return False
        if not self.since <= moment(record) < self.until:
            return False
        if self.services and _service(record) not in self.services:
            return False
        return self.namespace in ("", namespace_of(record))


def namespace_of(record: Record) -> str:
    """Whose it is: the Service's namespace, else the dialled pod's; "" for a door that belongs to nobody."""
    if record.service is not None:
        return record.service.namespace
    return record.backend.namespace if record.backend is not None else ""


def _service(record: Record) -> tuple[str, str] | None:
    return (record.service.namespace, record.service.name) if record.service is not None else None

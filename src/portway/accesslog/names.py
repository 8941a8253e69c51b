"""What a person calls the parties of a record. The same words in every table."""

from msgspec import Struct

from portway.accesslog.record import Party, Record
from portway.model.address import host_port


class Client(Struct, frozen=True, order=True, gc=False):
    """Who came: the same value for every connection of one client."""

    kind: str
    """"pod" | "node" | "external" | ""."""
    name: str
    """NAMESPACE/POD, the node's name, or the address."""


class PortKey(Struct, frozen=True, order=True, gc=False):
    """A Service's port, as records name it."""

    namespace: str
    service: str
    port_name: str
    port: int
    proto: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.service}:{self.port_name or self.port}"


def client_of(record: Record) -> Client:
    """A pod keeps its name when its address changes; whoever has no name is the address."""
    return Client(record.client.kind, party_name(record.client))


def party_name(party: Party) -> str:
    """NAMESPACE/POD, the node's name, or the address."""
    if party.pod:
        return f"{party.namespace}/{party.pod}"
    return party.node if party.kind == "node" and party.node else party.ip


def port_key(record: Record) -> PortKey | None:
    """None when no Service was dialled."""
    if (service := record.service) is None:
        return None
    return PortKey(service.namespace, service.name, service.port_name, service.port, record.proto)


def dialled(record: Record) -> tuple[str, int]:
    """(address, port) that the client dialled, as far as the record knows: a denied pod's own, behind a translation."""
    if record.frontend is not None:
        return record.frontend.ip, record.frontend.port
    return (record.backend.ip, record.backend.port) if record.backend is not None else ("", 0)


def door_name(record: Record) -> str:
    """What a door was asked for by name, `node-1:32100` for a nodePort, else `10.96.0.10:80`; "-": it is not known."""
    if record.http is not None and record.http.host:
        return record.http.host
    if record.tls is not None and record.tls.server_name:
        return record.tls.server_name
    address, port = dialled(record)
    if record.entry == "nodePort" and record.node:
        return f"{record.node}:{port}"
    return socket_name(address, port) if address else "-"


def socket_name(address: str, port: int) -> str:
    """`10.0.0.1:80`, `[fd00::1]:80`, or the address alone without a port."""
    return host_port(address, port) if port else address

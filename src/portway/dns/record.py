"""Record types and what their data is (RFC 1035 3.3, 2782, 3596)."""

from msgspec import Struct

from portway.dns.name import Name

A, NS, CNAME, SOA, PTR, HINFO, TXT, AAAA, SRV, OPT, ANY = 1, 2, 5, 6, 12, 13, 16, 28, 33, 41, 255
IN = 1

TYPES = {A: "A", NS: "NS", CNAME: "CNAME", SOA: "SOA", PTR: "PTR", HINFO: "HINFO", TXT: "TXT", AAAA: "AAAA", SRV: "SRV"}


class Target(Struct, frozen=True, gc=False):
    """CNAME, NS, PTR."""

    name: Name


class Srv(Struct, frozen=True, gc=False):
    """SRV."""

    priority: int
    weight: int
    port: int
    target: Name


class Soa(Struct, frozen=True, gc=False):
    """SOA; the last five in seconds, but for the serial."""

    mname: Name
    rname: Name
    serial: int
    refresh: int
    retry: int
    expire: int
    minimum: int


class Raw(Struct, frozen=True, gc=False):
    """Every other type (A and AAAA: the address's bytes), as it stands in the packet."""

    data: bytes


Data = Target | Srv | Soa | Raw


class Record(Struct, frozen=True, gc=False):
    """One resource record."""

    name: Name
    type: int
    ttl: int
    """Seconds."""
    data: Data
    rclass: int = IN


def text(*strings: bytes) -> Raw:
    """TXT data; each string has at most 255 bytes."""
    return Raw(b"".join(bytes([len(string)]) + string for string in strings))

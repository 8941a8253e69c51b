"""Records for tests: an ordinary connection, and what differs."""

from typing import Any

from portway.accesslog import Door, Http, Party, PolicyRef, Record, ServiceRef

NOON = 1_700_000_000.0
WEB = ServiceRef("shop", "web", "http", 80)


def external(ip: str = "203.0.113.9") -> Party:
    """A client from outside."""
    return Party(ip, 40000, "external")


def pod(name: str = "web-0", ip: str = "10.244.1.3", port: int = 8080, node: str = "node-1") -> Party:
    """A pod of the shop."""
    return Party(ip, port, "pod", "shop", name, node)


def connection(at: float = 0.0, seconds: float = 0.1, **other: Any) -> Record:
    """A connection through web's nodePort on node-1 that began `at` seconds after NOON."""
    fields: dict[str, Any] = {
        "ts_start": NOON + at,
        "ts_end": NOON + at + seconds,
        "duration_ms": seconds * 1000,
        "node": "node-1",
        "verdict": "FORWARDED",
        "reason": "FORWARDED",
        "proto": "TCP",
        "client": external(),
        "entry": "nodePort",
        "frontend": Door("172.18.0.11", 32100),
        "service": WEB,
        "backend": pod(),
        "bytes_in": 100,
        "bytes_out": 1000,
        "tcp_end": "fin",
    }
    return Record(**fields | other)


def refusal(at: float = 0.0, port: int = 32101, **other: Any) -> Record:
    """A nodePort that no Service has."""
    fields: dict[str, Any] = {
        "verdict": "REFUSED",
        "reason": "NODEPORT_UNSET",
        "frontend": Door("172.18.0.11", port),
        "service": None,
        "backend": None,
        "bytes_in": 0,
        "bytes_out": 0,
        "tcp_end": "refused",
    }
    return connection(at, 0.0, **fields | other)


def denial(at: float = 0.0, **other: Any) -> Record:
    """A pod that NetworkPolicy shop/only-api keeps out of web."""
    fields: dict[str, Any] = {
        "verdict": "DENIED",
        "reason": "NO_RULE_MATCHES",
        "client": pod("guest-0", "10.244.2.9", 41000, "node-2"),
        "entry": "clusterIP",
        "frontend": Door("10.96.0.10", 80),
        "policy": PolicyRef("NetworkPolicy", "shop", "only-api", -1, "ingress"),
        "bytes_in": 0,
        "bytes_out": 0,
        "tcp_end": "denied",
        "attempts": 3,
    }
    return connection(at, 3.0, **fields | other)


def request(at: float = 0.0, status: int = 200, **other: Any) -> Record:
    """A request for shop.example that the cluster's Ingress door sent to web."""
    fields: dict[str, Any] = {
        "entry": "Ingress",
        "frontend": Door("172.18.0.1", 80),
        "http": Http("GET", "shop.example", "/cart", status, "Ingress shop/web"),
        "tcp_end": "",
    }
    return connection(at, 0.02, **fields | other)

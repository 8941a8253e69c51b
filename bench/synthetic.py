"""Clusters that nobody runs: as many Services and endpoints as asked for, as bytes from an API server."""

import json
import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bench import peer

NODE = "node-1"
SLICE = 100
"""Endpoints in an EndpointSlice (the controller's --max-endpoints-per-slice)."""


def sizes(default: str) -> list[tuple[int, int]]:
    """`SIZES=10000x10,1x100000` or the default, as (Services, endpoints each)."""
    return [
        (int(services), int(endpoints))
        for services, endpoints in (one.split("x") for one in os.environ.get("SIZES", default).split(","))
    ]


PEER_LIMIT = int(os.environ.get("PEER_LIMIT", "10000"))
"""Services up to which a peer is measured too: beyond, it takes minutes. Its endpoints count a tenth."""


def with_peer(chosen: peer.Services) -> bool:
    """Whether peers are measured with these Services; PEER=0 leaves them out."""
    endpoints = sum(len(service[3]) for service in chosen)
    return os.environ.get("PEER") != "0" and max(len(chosen), endpoints / 10) <= PEER_LIMIT


def service_bytes(chosen: Iterable[peer.Service]) -> Iterator[bytes]:
    """The Services as JSON."""
    return (service_json(number, service) for number, service in enumerate(chosen))


def service_json(number: int, service: peer.Service) -> bytes:
    """One of them."""
    address, port, node_port, _ = service
    ports = {"name": "http", "protocol": "TCP", "port": port, "targetPort": 80}
    external = {"externalTrafficPolicy": "Cluster"} if node_port else {}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"namespace": "bench", "name": f"s{number}"},
            "spec": {
                "type": "NodePort" if node_port else "ClusterIP",
                "clusterIP": address,
                "clusterIPs": [address],
                "ipFamilies": ["IPv4"],
                "ipFamilyPolicy": "SingleStack",
                "internalTrafficPolicy": "Cluster",
                "sessionAffinity": "None",
                **external,
                "ports": [ports | ({"nodePort": node_port} if node_port else {})],
                "selector": {"app": f"s{number}"},
            },
        }
    ).encode()


def slice_bytes(chosen: Iterable[peer.Service]) -> Iterator[bytes]:
    """Their EndpointSlices as JSON."""
    return (raw for number, service in enumerate(chosen) for raw in slices_json(number, service))


def slices_json(number: int, service: peer.Service) -> Iterator[bytes]:
    """Those of one Service."""
    *_, endpoints = service
    for start in range(0, len(endpoints), SLICE):
        yield one_slice(number, start // SLICE, endpoints[start : start + SLICE])


def one_slice(number: int, index: int, addresses: Sequence[str], unready: str = "") -> bytes:
    """The index-th slice of Service `number`; `unready` names an address that is out."""
    return json.dumps(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "namespace": "bench",
                "name": f"s{number}-{index}",
                "labels": {"kubernetes.io/service-name": f"s{number}"},
            },
            "addressType": "IPv4",
            "ports": [{"name": "http", "protocol": "TCP", "port": 80}],
            "endpoints": [
                {
                    "addresses": [address],
                    "nodeName": f"node-{position % 50}",
                    "conditions": {"ready": address != unready, "serving": address != unready, "terminating": False},
                    "targetRef": {"kind": "Pod", "namespace": "bench", "name": f"p{number}-{index}-{position}"},
                }
                for position, address in enumerate(addresses)
            ],
        }
    ).encode()


def changed(chosen: peer.Services, number: int) -> bytes:
    """The slice of the number-th change: an endpoint of some Service goes, and with the next number comes back."""
    which = number // 2 * 7919 % len(chosen)
    addresses = chosen[which][3][:SLICE]
    return one_slice(which, 0, addresses, addresses[number // 2 % len(addresses)] if number % 2 == 0 else "")


def save(bench: str, rows: object) -> None:
    """Write a bench's figures for machines and for bench/report.py, where JSON=FILE asks for it."""
    if path := os.environ.get("JSON"):
        found = {"bench": bench, "machine": _machine(), "rows": rows}
        Path(path).write_text(json.dumps(found, indent=1) + "\n")


def _machine() -> dict[str, object]:
    """What the figures depend on; the load averages tell whether it did other work."""
    return {
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": [round(load, 1) for load in os.getloadavg()],
    }

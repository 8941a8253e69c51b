"""The demo's part about doors: examples/shop/doors is applied, and each door is asked."""

import base64
import http.client
import json
import ssl
from collections import Counter
from collections.abc import Sequence
from typing import Any

import click

from portway.analysis.ports import rows
from portway.analysis.webtrace import follow, parse_url, service_of
from portway.cli import balancers, cluster, fitting, webcluster, webdrawing
from portway.cli.failure import Failure
from portway.client import Api
from portway.fleet import FleetState
from portway.kubeapi.errors import Doc

_URL = "https://shop.example/api"
_REQUESTS = 24


def ask_each(state: FleetState, documents: Sequence[Doc]) -> None:
    """The Ingress over TLS with its certificate checked, the Gateway by rule, the database straight through."""
    authority = next(d["data"]["tls.crt"] for d in documents if d["kind"] == "Secret")
    context = ssl.create_default_context(cadata=base64.b64decode(authority).decode())
    secure, plain, database = (
        _place(state, door, port)
        for door, port in (("ingress", 443), ("gateway/shop/door", 80), ("gateway/shop/door", 5432))
    )
    _say("Ingress", f"{_URL} at {secure}", [_get(secure, "shop.example", "/api", context) for _ in range(_REQUESTS)])
    _say("Gateway", f"http://api.example/v1 at {plain}", [_get(plain, "api.example", "/v1") for _ in range(_REQUESTS)])
    _say("TCPRoute", database, [_get(database, "db", "/")])
    table = cluster.ask(api := Api.unix(state.paths.api_socket), webcluster.read(api))
    click.echo(fitting.shown(webdrawing.draw(follow(table, parse_url(_URL)))))


def _place(state: FleetState, door: str, port: int) -> str:
    """Where a door's port answers from this machine."""
    seen = cluster.ask(api := Api.unix(state.paths.api_socket), cluster.read(api))
    row = next((r for r in rows(seen.snapshot) if ((r.namespace, r.service), r.port) == (service_of(door), port)), None)
    found = balancers.first(row, balancers.told(state.paths.host_doors)) if row else None
    if found is None or not found.at:
        raise Failure(f"{door} has no address: kubectl describe service -n {' '.join(service_of(door))} says why")
    return found.at


def _get(place: str, host: str, path: str, context: ssl.SSLContext | None = None) -> dict[str, Any]:
    """One request to a place for a host, as `curl --resolve` makes it."""
    address, _, port = place.rpartition(":")
    made: http.client.HTTPConnection
    if context is None:
        made = http.client.HTTPConnection(address, int(port), timeout=5)
        made.connect()
    else:
        made = http.client.HTTPSConnection(host, int(port), timeout=5)
        plain = http.client.HTTPConnection(address, int(port), timeout=5)
        plain.connect()
        made.sock = context.wrap_socket(plain.sock, server_hostname=host)
    try:
        made.request("GET", path, headers={"Host": host})
        said: dict[str, Any] = json.loads(made.getresponse().read())
    finally:
        made.close()
    return said


def _say(door: str, where: str, answers: Sequence[dict[str, Any]]) -> None:
    counts = Counter(f"{said['pod']}:{said['port']}" for said in answers)
    click.echo(f"{door:8} {where} → {', '.join(f'{pod} {n}' for pod, n in sorted(counts.items()))}")

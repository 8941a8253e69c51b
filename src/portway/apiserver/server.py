"""The process: opens the store, serves both sockets until SIGTERM, closes in order."""

import asyncio
import logging
import secrets
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from itertools import chain

import msgspec
from aiohttp import web

from portway import strangers
from portway.apiserver import expiry
from portway.apiserver.bootstrap import bootstrap
from portway.apiserver.config import ServerConfig
from portway.apiserver.handler import Handler
from portway.apiserver.registry import Registry
from portway.kubeapi import ingressclass, ipaddress, servicecidr
from portway.kubeapi.cluster import Cluster
from portway.kubeapi.errors import Doc
from portway.store import Store, StoreError

_GOODBYE_SECONDS = 1.0
_RETRY_SECONDS = 0.02
log = logging.getLogger(__name__)


Later = Callable[[], socket.socket]
"""A socket that pods reach, listening; OSError while there is none yet."""


def run(config: ServerConfig, https: socket.socket, unix: socket.socket, inside: Later | None = None) -> int:
    """Serve until SIGTERM or SIGINT; the exit status. Both sockets are listening already; `inside` is served too."""
    try:
        asyncio.run(_serve(config, https, unix, inside))
    except StoreError as error:
        log.error("%s", error)
        return 1
    return 0


async def _serve(config: ServerConfig, https: socket.socket, unix: socket.socket, inside: Later | None) -> None:
    stop = _stop_signal()
    store = Store(config.data)
    try:
        registry = Registry(store, _cluster(config, store), config.pod_logs, config.kubelets)
        await bootstrap(registry, config, https.getsockname()[1])
        sweeping = asyncio.ensure_future(expiry.run(store))
        await _until(stop, registry, config, https, unix, inside)
        sweeping.cancel()
    finally:
        await store.close()


async def _until(
    stop: asyncio.Event,
    registry: Registry,
    config: ServerConfig,
    https: socket.socket,
    unix: socket.socket,
    inside: Later | None,
) -> None:
    server = web.Server(Handler(registry), handler_cancellation=True, access_log=None, logger=strangers.log)
    runner = web.ServerRunner(server, shutdown_timeout=_GOODBYE_SECONDS)
    await runner.setup()
    try:
        tls = _tls(config)
        await web.SockSite(runner, https, ssl_context=tls).start()
        await web.SockSite(runner, unix).start()
        opening = asyncio.ensure_future(_open_inside(runner, tls, inside)) if inside else None
        await stop.wait()
        if opening:
            opening.cancel()
        registry.store.end_watches()
    finally:
        await runner.cleanup()


async def _open_inside(runner: web.ServerRunner, tls: ssl.SSLContext, inside: Later) -> None:
    """Serve there as soon as there is a there: nodes and their wire may still be made."""
    while True:
        try:
            opened = inside()
        except OSError:
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            await web.SockSite(runner, opened, ssl_context=tls).start()
            return


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def _tls(config: ServerConfig) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(config.pki / "server.crt", config.pki / "server.key")
    context.load_verify_locations(config.pki / "ca.crt")
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _cluster(config: ServerConfig, store: Store) -> Cluster:
    """What the stored Services, addresses and pools hold."""

    def stored(collection: str) -> Iterator[Doc]:
        return (msgspec.json.decode(entry.value) for entry in store.list(collection))

    cluster = Cluster(config.service_cidrs, config.node_port_range, pick=secrets.randbelow)
    for service in stored("services"):
        cluster.observe(service)
    for address in stored("networking.k8s.io/ipaddresses"):
        ipaddress.observe(address, cluster.addresses)
    for pool in stored("metallb.io/ipaddresspools"):
        cluster.pools.observe(pool)
    cluster.more_cidrs = lambda: chain(*map(servicecidr.serving, stored("networking.k8s.io/servicecidrs")))
    cluster.default_ingress_class = lambda: ingressclass.default_of(stored("networking.k8s.io/ingressclasses"))
    return cluster

"""Pools as one door or listener has them, where others see the same Service port otherwise.

A Gateway may show backends a certificate of its own (`spec.tls.backend`); a listener that ends TLS for a TLSRoute
sends on bytes that a BackendTLSPolicy speaks of, while one that passes TLS through does not.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from portway.routing.backendtls import secured
from portway.routing.documents import Doc, Documents, spec
from portway.routing.listeners import shown_certificate
from portway.routing.reports import Condition
from portway.routing.table import (
    BackendTls,
    Certificate,
    Listener,
    Pool,
    Route,
    VirtualHost,
    WeightedBackend,
    is_secure,
)


class Shown(Struct, frozen=True):
    """What a Gateway shows backends that it speaks TLS with."""

    condition: Condition | None = None
    """None: its documents say nothing of it."""
    certificate: tuple[str, Certificate] | None = None
    """With its key in a RouteTable."""


def shown(documents: Documents, gateway: Doc) -> Shown:
    """Of a Gateway. A reference that leads nowhere is told, and nothing is shown."""
    reference = ((spec(gateway).get("tls") or {}).get("backend") or {}).get("clientCertificateRef")
    if reference is None:
        return Shown()
    found = shown_certificate(documents, gateway, reference)
    if isinstance(found, Condition):
        reason = "RefNotPermitted" if found.reason == "RefNotPermitted" else "InvalidClientCertificateRef"
        return Shown(replace(found, reason=reason))
    return Shown(Condition("ResolvedRefs", True, "ResolvedRefs"), found)


def own(
    documents: Documents, listeners: Sequence[Listener], pools: Mapping[str, Pool], shown_by: Mapping[str, Shown]
) -> tuple[tuple[Listener, ...], dict[str, Pool]]:
    """Listeners with the pools that are their own, and these. `shown_by`: by door."""
    made: dict[str, Pool] = {}
    changed = []
    for listener in listeners:
        key, _ = shown_by[listener.door].certificate or ("", None)
        ends = listener.protocol == "TLS" and listener.ends_tls
        mine = _Own(documents, pools, made, key, listener.door.removeprefix("gateway/"), ends)
        changed.append(mine.listener(listener) if key or ends else listener)
    return tuple(changed), made


class _Own(Struct, frozen=True):
    """What one listener changes."""

    documents: Documents
    pools: Mapping[str, Pool]
    made: dict[str, Pool]
    """Those that are its own are put here."""
    certificate: str
    """A key of certificates; empty: none is shown."""
    door: str
    ends: bool
    """Whether it sends on what was in a TLSRoute's TLS."""

    def listener(self, listener: Listener) -> Listener:
        """With its own pools."""
        return replace(listener, hosts=tuple(map(self._host, listener.hosts)))

    def _host(self, host: VirtualHost) -> VirtualHost:
        return replace(host, routes=tuple(map(self._route, host.routes)))

    def _route(self, route: Route) -> Route:
        mirrors = [replace(mirror, pool=self._own(mirror.pool)[0]) for mirror in route.mirrors]
        return replace(
            route,
            backends=tuple(map(self._backend, route.backends)),
            mirrors=tuple(mirror for mirror in mirrors if mirror.pool),
        )

    def _backend(self, backend: WeightedBackend) -> WeightedBackend:
        key, reason = self._own(backend.pool)
        return replace(backend, pool=key, reason=backend.reason or reason)

    def _own(self, key: str) -> tuple[str, str]:
        """The key of the pool; empty: why there is none."""
        pool = self.pools.get(key)
        if pool is None:
            return key, ""
        if self.ends and pool.protocol == "tls":
            safe = secured(self.documents, replace(pool, protocol="http"))
            if safe.pool is None:
                return "", safe.reason
            if safe.pool.tls is not None:
                pool, key = safe.pool, f"{key}+policy"
        if self.certificate and is_secure(pool.protocol):
            tls = replace(pool.tls or BackendTls(), certificate=self.certificate)
            pool, key = replace(pool, tls=tls), f"{key}@{self.door}"
        if key not in self.pools:
            self.made[key] = pool
        return key, ""

"""Ingresses become the two listeners of the Ingress door, and complaints.

Source: the Ingress API (networking.k8s.io/v1): of several paths that match the longest wins, Exact before Prefix; a
wildcard stands for one label; what no rule takes goes to the default backend. ImplementationSpecific means Prefix.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from portway.kubeapi.doorclasses import INGRESS_CONTROLLER
from portway.kubeapi.ingress import CLASS_ANNOTATION
from portway.kubeapi.ingressclass import default_of
from portway.routing import annotations
from portway.routing.backendtls import secured
from portway.routing.certificates import certificate
from portway.routing.documents import Doc, Documents, Name, annotation, name_of, oldest_first, spec
from portway.routing.hosts import covers
from portway.routing.references import pool_key, service_port
from portway.routing.reports import Complaint
from portway.routing.table import Certificate, Listener, Match, PathType, Pool, Route, VirtualHost, WeightedBackend

DOOR = "ingress"
NO_BACKEND = 503

Order = tuple[object, ...]


class Entered(Struct, frozen=True):
    """What the Ingresses of our classes come to."""

    listeners: tuple[Listener, ...] = ()
    pools: Mapping[str, Pool] = {}
    certificates: Mapping[str, Certificate] = {}
    ours: tuple[Doc, ...] = ()
    """The Ingresses, oldest first."""
    complaints: tuple[Complaint, ...] = ()


def ours(documents: Documents) -> list[Doc]:
    """The Ingresses of our IngressClasses, oldest first; those that name no class are of the default class."""
    classes = {name_of(c)[1] for c in documents.ingress_classes if spec(c).get("controller") == INGRESS_CONTROLLER}
    default = default_of(documents.ingress_classes)
    return [i for i in oldest_first(documents.ingresses) if (_class(i) or default) in classes]


def _class(ingress: Doc) -> str:
    return str(spec(ingress).get("ingressClassName") or annotation(ingress, CLASS_ANNOTATION))


def entered(documents: Documents) -> Entered:
    """All Ingresses of ours as one door."""
    reader = _Reader(documents)
    found = ours(documents)
    for age, ingress in enumerate(found):
        reader.ingress(ingress, age)
    return Entered(
        tuple(reader.listeners()),
        reader.pools,
        reader.certificates,
        tuple(found),
        tuple(reader.complaints.values()),
    )


class _Reader:
    """One pass over the Ingresses, oldest first."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._routes: dict[tuple[bool, str], list[tuple[Order, Route]]] = {}
        """By whether TLS ended and by host."""
        self.pools: dict[str, Pool] = {}
        self.certificates: dict[str, Certificate] = {}
        self.complaints: dict[tuple[Name, str, str], Complaint] = {}

    def ingress(self, ingress: Doc, age: int) -> None:
        """Its rules, its default backend, its certificates."""
        secured = list(self._secured(ingress))
        for message in annotations.complaints(ingress):
            self._complain(ingress, "UnsupportedAnnotation", message)
        rules = spec(ingress).get("rules") or []
        for index, rule in enumerate(rules):
            host = str(rule.get("host") or "").lower()
            for number, path in enumerate((rule.get("http") or {}).get("paths") or ()):
                name = f"{_shown(ingress)} rules[{index}].paths[{number}]"
                self._path(ingress, host, path, name, age, secured)
        self._default(ingress, [str(rule.get("host") or "").lower() for rule in rules], age, secured)

    def _path(self, ingress: Doc, host: str, path: Doc, name: str, age: int, secured: Sequence[str]) -> None:
        match = _match(path)
        match, rewrite = annotations.rewriting(ingress, match)
        route = Route(
            name=name,
            match=match,
            backends=self._backends(ingress, path.get("backend") or {}),
            rewrite=rewrite,
            status_without_backend=NO_BACKEND,
            **annotations.effects(ingress),
        )
        length = len(match.path.rstrip("/") if match.path_type == "Prefix" else match.path)
        self._add(ingress, host, ((False, -length, _RANKS[match.path_type], age), route), secured)

    def _default(self, ingress: Doc, hosts: Sequence[str], age: int, secured: Sequence[str]) -> None:
        backend = spec(ingress).get("defaultBackend")
        if backend is None:
            return
        route = Route(
            name=f"{_shown(ingress)} defaultBackend",
            backends=self._backends(ingress, backend),
            status_without_backend=NO_BACKEND,
            **annotations.effects(ingress),
        )
        for host in dict.fromkeys([*hosts, ""]):
            self._add(ingress, host, ((True, 0, 0, age), route), secured)

    def _add(self, ingress: Doc, host: str, route: tuple[Order, Route], secured: Sequence[str]) -> None:
        is_secured = _is_secured(host, secured)
        order, plain = route
        if annotations.redirects(ingress, is_secured):
            plain = annotations.redirected(plain)
        self._routes.setdefault((False, host), []).append((order, plain))
        if is_secured:
            self._routes.setdefault((True, host), []).append(route)

    def _secured(self, ingress: Doc) -> Iterable[str]:
        """The hosts for which it has a certificate; empty: any."""
        for index, tls in enumerate(spec(ingress).get("tls") or ()):
            name = (name_of(ingress)[0], str(tls.get("secretName") or ""))
            secret = self._documents.secrets.get(name)
            shown = f"spec.tls[{index}]: Secret {'/'.join(name)}"
            found = certificate(secret) if secret is not None else ""
            if isinstance(found, str):
                reason = "SecretInvalid" if secret is not None else "SecretNotFound"
                self._complain(ingress, reason, f"{shown}: {found}" if found else f"{shown} does not exist")
            else:
                self.certificates["/".join(name)] = found
                yield from [host.lower() for host in tls.get("hosts") or [""]]

    def _backends(self, ingress: Doc, backend: Doc) -> tuple[WeightedBackend, ...]:
        if backend.get("service") is None:
            resource = backend.get("resource") or {}
            shown = f"{resource.get('kind', '')} {resource.get('name', '')}".strip()
            self._complain(ingress, "ResourceBackend", f"resource backends are not supported: {shown}")
            return (WeightedBackend("", reason="InvalidKind"),)
        name = (name_of(ingress)[0], str(backend["service"]["name"]))
        service = self._documents.services.get(name)
        if service is None:
            self._complain(ingress, "ServiceNotFound", f"Service {'/'.join(name)} does not exist")
            return (WeightedBackend("", reason="BackendNotFound"),)
        resolved = service_port(service, backend["service"].get("port") or {})
        if resolved.pool is None:
            self._complain(ingress, "PortNotFound", resolved.message)
            return (WeightedBackend("", reason=resolved.reason),)
        pool, suffix = annotations.spoken(ingress, resolved.pool)
        safe = secured(self._documents, pool)
        if safe.pool is None:
            self._complain(ingress, "BackendTLSPolicyInvalid", safe.reason)
            return (WeightedBackend("", reason=safe.reason),)
        key = pool_key(pool, suffix)
        self.pools[key] = safe.pool
        return (WeightedBackend(key),)

    def _complain(self, ingress: Doc, reason: str, message: str) -> None:
        self.complaints[name_of(ingress), reason, message] = Complaint(ingress, reason, message)

    def listeners(self) -> Iterable[Listener]:
        """Port 80, and 443 when anybody has a certificate."""
        yield Listener(f"{DOOR}/http", DOOR, 80, hosts=self._hosts(False), entry="Ingress")
        if self.certificates:
            yield Listener(
                f"{DOOR}/https",
                DOOR,
                443,
                "HTTPS",
                certificates=tuple(self.certificates),
                hosts=self._hosts(True),
                entry="Ingress",
            )

    def _hosts(self, secured: bool) -> tuple[VirtualHost, ...]:
        mine = sorted((host, routes) for (of, host), routes in self._routes.items() if of is secured)
        return tuple(VirtualHost(host, True, _in_order(routes)) for host, routes in mine)


_RANKS: dict[PathType, int] = {"Exact": 0, "RegularExpression": 1, "Prefix": 2}


def _in_order(routes: Iterable[tuple[Order, Route]]) -> tuple[Route, ...]:
    return tuple(route for _, route in sorted(routes, key=lambda pair: pair[0]))


def _is_secured(host: str, secured: Sequence[str]) -> bool:
    return any(host == pattern or covers(pattern, host, one_label=True) for pattern in secured)


def _match(path: Doc) -> Match:
    return Match(path.get("path") or "/", "Exact" if path.get("pathType") == "Exact" else "Prefix")


def _shown(ingress: Doc) -> str:
    return f"Ingress {'/'.join(name_of(ingress))}"

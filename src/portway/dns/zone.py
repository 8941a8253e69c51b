"""The cluster's domain: which names there are, and what is at each, kept change by change.

A Service's names are made when one of them is first asked for after a change, so a change costs what its Service
costs; PTR names of endpoints are kept as slices come and go.
"""

import ipaddress
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from portway.dns.decode import Endpoint, Port, Service, Slice
from portway.dns.name import Name, from_text, lower
from portway.dns.record import AAAA, CNAME, NS, SOA, SRV, TXT, A, Data, Raw, Soa, Srv, Target, text
from portway.kubeapi.clusterdns import DOMAIN

Key = tuple[str, str]
"""(namespace, name)."""
Types = Mapping[int, Sequence[Data]]
"""What is at a name, by record type; empty: the name exists because others are below it."""

SPECIFICATION = b"1.1.0"
TTL = 30
"""Seconds; kubeadm's Corefile has the same."""
NEGATIVE_TTL = 5
"""Seconds that "no such name" may be remembered: short, because the Service may be just being made."""
_NOTHING: Types = {}


class Zone:
    """All names below the cluster domain, and the PTR names of the cluster's addresses."""

    def __init__(self, domain: str = DOMAIN, nameservers: Collection[str] = (), ranges: Iterable[str] = ()):
        """`nameservers`: addresses of ns.dns.DOMAIN. `ranges`: CIDRs whose PTR names nobody else answers for."""
        self.name: Name = lower(from_text(domain))
        self.changes = 0
        """How often it has changed."""
        self._nameservers = addresses(nameservers)
        self._ranges = [ipaddress.ip_network(cidr) for cidr in ranges]
        self._namespaces: set[str] = set()
        self._services: dict[Key, Service] = {}
        self._slices: defaultdict[Key, dict[str, Slice]] = defaultdict(dict)
        self._names: dict[Key, dict[Name, Types]] = {}
        self._kept: dict[Key, dict[object, object]] = {}
        self._cluster_ips: dict[str, dict[Key, None]] = {}
        self._endpoints: dict[str, Counter[tuple[str, str, str]]] = {}

    def namespace(self, name: str, exists: bool) -> None:
        """A Namespace came or went."""
        self.changes += 1
        (self._namespaces.add if exists else self._namespaces.discard)(name)

    def service(self, old: Service | None, new: Service | None) -> None:
        """A Service went from `old` to `new`; None: there is none."""
        self.changes += 1
        if old is not None:
            key = old.namespace, old.name
            self._services.pop(key, None)
            self._forget(key)
            for address in old.cluster_ips:
                self._cluster_ips[address].pop(key, None)
                if not self._cluster_ips[address]:
                    del self._cluster_ips[address]
        if new is not None:
            key = new.namespace, new.name
            self._services[key] = new
            self._forget(key)
            for address in new.cluster_ips:
                self._cluster_ips.setdefault(address, {})[key] = None

    def endpoint_slice(self, old: Slice | None, new: Slice | None) -> None:
        """An EndpointSlice went from `old` to `new`; None: there is none."""
        self.changes += 1
        if old is not None and old.service:
            self._forget_slice(old)
        if new is not None and new.service:
            key = new.namespace, new.service
            self._slices[key][new.name] = new
            self._forget(key)
            for endpoint in new.endpoints:
                self._endpoints.setdefault(endpoint.address, Counter())[*key, endpoint.hostname] += 1

    def _forget_slice(self, old: Slice) -> None:
        key = old.namespace, old.service
        self._slices[key].pop(old.name, None)
        if not self._slices[key]:
            del self._slices[key]
        self._forget(key)
        for endpoint in old.endpoints:
            known = self._endpoints[endpoint.address]
            known[*key, endpoint.hostname] -= 1
            if not known[*key, endpoint.hostname]:
                del known[*key, endpoint.hostname]
            if not known:
                del self._endpoints[endpoint.address]

    def _forget(self, key: Key) -> None:
        self._names.pop(key, None)
        self._kept.pop(key, None)

    def kept(self, key: Key) -> dict[object, object]:
        """A place for what is made of a Service, which must exist; empty again when anything of it changes."""
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = {}
        return found

    def own(self, key: Key) -> Types | None:
        """The addresses at a Service's own name, which must exist: what `at` says but for SRV."""
        service = self._services[key]
        if service.kind == "clusterIP":
            return addresses(service.cluster_ips)
        return self._in_namespace((key[1].encode("latin-1"),), key[0])

    def has(self, namespace: str, name: str) -> bool:
        """Whether there is such a Service."""
        return (namespace, name) in self._services

    def has_namespace(self, name: str) -> bool:
        """Whether there is such a namespace."""
        return name in self._namespaces

    def homes(self, name: str) -> list[str]:
        """The namespaces that have a Service of that name. Looks at all Services."""
        return sorted(namespace for namespace, service in self._services if service == name)

    def services_in(self, namespace: str) -> list[str]:
        """The names of a namespace's Services. Looks at all."""
        return sorted(service for home, service in self._services if home == namespace)

    def at(self, below: Name) -> Types | None:
        """What is at the name whose lower-case labels before the domain are `below`; None: no such name."""
        match below:
            case (*rest, namespace, b"svc"):
                return self._in_namespace(tuple(rest), _word(namespace))
            case (label, namespace, b"pod"):
                return _pod(_word(label)) if _word(namespace) in self._namespaces else None
            case (namespace, b"pod"):
                return _NOTHING if _word(namespace) in self._namespaces else None
            case (b"svc",) | (b"pod",) | (b"dns",):
                return _NOTHING
            case ():
                return {SOA: [self.soa()], NS: [Target((b"ns", b"dns", *self.name))]}
            case (b"dns-version",):
                return {TXT: [text(SPECIFICATION)]}
            case (b"ns", b"dns"):
                return self._nameservers
        return None

    def _in_namespace(self, rest: Name, namespace: str) -> Types | None:
        if not rest:
            return _NOTHING if namespace in self._namespaces else None
        key = namespace, _word(rest[-1])
        service = self._services.get(key)
        if service is None:
            return None
        names = self._names.get(key)
        if names is None:
            names = self._names[key] = self._made(service, self._slices.get(key, {}).values())
        return names.get(rest[:-1])

    def _made(self, service: Service, slices: Iterable[Slice]) -> dict[Name, Types]:
        if service.kind == "externalName":
            return {(): {CNAME: [Target(service.external)]}} if service.external else {}
        own: Name = (service.name.encode(), service.namespace.encode(), b"svc", *self.name)
        found = [(one, each) for one in slices for each in one.endpoints if each.ready or service.publish_not_ready]
        hosts = _hosts(each for _, each in found)
        if service.kind == "headless":
            served = ((port, (endpoint.hostname.encode(), *own)) for one, endpoint in found for port in one.ports or ())
            top = addresses(dict.fromkeys(each.address for _, each in found))
            return _with_services({**hosts, **({(): top} if found else {})}, served)
        return _with_services({**hosts, (): addresses(service.cluster_ips)}, ((port, own) for port in service.ports))

    def pointers(self, address: str) -> list[Name]:
        """The names that a canonical address is an address of: a Service's for its clusterIP, else its endpoints'."""
        if services := self._cluster_ips.get(address):
            return [(name.encode(), namespace.encode(), b"svc", *self.name) for namespace, name in services]
        return [
            (hostname.encode(), name.encode(), namespace.encode(), b"svc", *self.name)
            for namespace, name, hostname in self._endpoints.get(address, ())
            if (hostname.encode(),) in self._endpoint_names((namespace, name))
        ]

    def _endpoint_names(self, key: Key) -> Collection[Name]:
        """The names below a Service, made if they are not; none when there is no such Service."""
        self._in_namespace((key[1].encode(),), key[0])
        return self._names.get(key, {})

    def owns(self, address: str) -> bool:
        """Whether PTR names of this address are answered here, and by nobody else."""
        ip = ipaddress.ip_address(address)
        return any(ip.version == one.version and ip in one for one in self._ranges)

    def soa(self) -> Soa:
        """The zone's SOA; its serial counts changes."""
        serial = self.changes & 0xFFFFFFFF
        return Soa((b"ns", b"dns", *self.name), (b"hostmaster", *self.name), serial, 7200, 1800, 86400, NEGATIVE_TTL)


def _word(label: bytes) -> str:
    return label.decode("latin-1")  # never fails; names of objects are ASCII


def addresses(found: Iterable[str]) -> dict[int, list[Data]]:
    """A and AAAA data of addresses in text."""
    types: dict[int, list[Data]] = {}
    for address in found:
        types.setdefault(AAAA if ":" in address else A, []).append(Raw(_packed(address)))
    return types


def _packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed if ":" in address else bytes(map(int, address.split(".")))


def _hosts(endpoints: Iterable[Endpoint]) -> dict[Name, Types]:
    by_name: dict[str, dict[str, None]] = {}
    for endpoint in endpoints:
        by_name.setdefault(endpoint.hostname, {})[endpoint.address] = None
    return {(hostname.encode(),): addresses(found) for hostname, found in by_name.items()}


def _with_services(names: dict[Name, Types], served: Iterable[tuple[Port, Name]]) -> dict[Name, Types]:
    """Add the SRV records: at `_port._protocol` those of that port, at the Service's own name those of all."""
    targets: dict[Name, dict[tuple[int, Name], None]] = defaultdict(dict)
    for port, target in served:
        for name in _srv_names(port):
            targets[name][port.port, target] = None
    for name, found in targets.items():
        names[name] = {**names.get(name, {}), SRV: [Srv(0, 100 // len(found), port, to) for port, to in found]}
        if len(name) == 2:
            names.setdefault(name[1:], _NOTHING)
    return names


def _srv_names(port: Port) -> Iterator[Name]:
    yield ()
    if port.name:
        yield (f"_{port.name}".encode(), f"_{port.protocol}".encode())


def _pod(label: str) -> Types | None:
    """The address that a pod's label spells: 10-244-1-3, fd00-244--3 (kubeadm's `pods insecure`)."""
    spelt = label.replace("-", "." if label.count("-") == 3 and "--" not in label else ":")
    try:
        return addresses([str(ipaddress.ip_address(spelt))])
    except ValueError:
        return None

"""The peer: nft text of the shape that kube-proxy's nftables mode loads, for comparison in the same run.

The shape (kubernetes.io/docs/reference/networking/virtual-ips, KEP-3866): one verdict map from frontends to a chain per
Service; that chain marks for masquerading and picks by an anonymous verdict map; a chain per endpoint holds the DNAT.
Written from that description; only the shape is compared, so names are short and rules that every packet passes on
either side (no-endpoints check, postrouting) are the same in both.
"""

from collections.abc import Iterator, Sequence

Service = tuple[str, int, int, Sequence[str]]
"""(clusterIP, port, nodePort or 0, endpoint addresses)"""
Services = Sequence[Service]

_HEAD = """
table ip peer {
  map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; }
  map service-nodeports { type inet_proto . inet_service : verdict; }
  set cluster-ips { type ipv4_addr; }
  set nodeport-ips { type ipv4_addr; }
  chain masq { meta mark set meta mark or 0x4000; }
  chain services {
    ip daddr . meta l4proto . th dport vmap @service-ips
    ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
  }
  chain prerouting { type nat hook prerouting priority dstnat; policy accept; jump services; }
  chain output { type nat hook output priority -100; policy accept; jump services; }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    meta mark and 0x4000 == 0 return
    meta mark set meta mark xor 0x4000
    masquerade fully-random
  }
"""


def services(count: int, endpoints: int, node_ports: bool = False, target_port: int = 80) -> Services:
    """`count` Services with `endpoints` endpoints each, addresses dealt in order."""
    return [service(i, endpoints, 30000 + i if node_ports and i < 2768 else 0) for i in range(1, count + 1)]


def service(number: int, endpoints: int, node_port: int = 0) -> Service:
    """One of them; `number` from 1."""
    first = number * endpoints
    pods = [f"10.{128 + n // 65536 % 64}.{n // 256 % 256}.{n % 256}" for n in range(first, first + endpoints)]
    return f"10.{96 + number // 65536}.{number // 256 % 256}.{number % 256}", 80, node_port, pods


def text(chosen: Services, node_addresses: Sequence[str] = (), pod_cidr: str = "10.128.0.0/9", port: int = 80) -> str:
    """The whole ruleset, for `nft -f`."""
    parts = [_HEAD, *_chains(chosen, pod_cidr, port), "}\n", *_elements(chosen, node_addresses)]
    return "".join(parts)


def _chains(chosen: Services, pod_cidr: str, port: int) -> Iterator[str]:
    for number, (address, service_port, _, endpoints) in enumerate(chosen):
        for index, endpoint in enumerate(endpoints):
            yield (
                f"  chain endpoint-{number}-{index} {{\n    ip saddr {endpoint} jump masq\n"
                f"    meta l4proto tcp dnat to {endpoint}:{port}\n  }}\n"
            )
        picks = ", ".join(f"{i} : goto endpoint-{number}-{i}" for i in range(len(endpoints)))
        yield (
            f"  chain service-{number} {{\n"
            f"    ip daddr {address} tcp dport {service_port} ip saddr != {pod_cidr} jump masq\n"
            f"    numgen random mod {len(endpoints)} vmap {{ {picks} }}\n  }}\n"
            f"  chain external-{number} {{\n    jump masq\n    goto service-{number}\n  }}\n"
        )


def _elements(chosen: Services, node_addresses: Sequence[str]) -> Iterator[str]:
    if node_addresses:
        yield f"add element ip peer nodeport-ips {{ {', '.join(node_addresses)} }}\n"
    for number, (address, service_port, node_port, _) in enumerate(chosen):
        yield f"add element ip peer cluster-ips {{ {address} }}\n"
        yield f"add element ip peer service-ips {{ {address} . tcp . {service_port} : goto service-{number} }}\n"
        if node_port:
            yield f"add element ip peer service-nodeports {{ tcp . {node_port} : goto external-{number} }}\n"


def without_last(chosen: Services, number: int, pod_cidr: str = "10.128.0.0/9") -> str:
    """The transaction that takes the last endpoint of one Service out."""
    address, service_port, _, endpoints = chosen[number]
    picks = ", ".join(f"{i} : goto endpoint-{number}-{i}" for i in range(len(endpoints) - 1))
    return (
        f"flush chain ip peer service-{number}\n"
        f"add rule ip peer service-{number} "
        f"ip daddr {address} tcp dport {service_port} ip saddr != {pod_cidr} jump masq\n"
        f"add rule ip peer service-{number} numgen random mod {len(endpoints) - 1} vmap {{ {picks} }}\n"
        f"delete chain ip peer endpoint-{number}-{len(endpoints) - 1}\n"
    )

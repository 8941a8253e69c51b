"""What a node must offer."""

from pathlib import Path

import pytest

from portway.agent.machine import conntrack_sysctls, not_forwarding, other_proxies, set_sysctls

NFTABLES = """table ip kube-proxy {
	chain services {
	}
}
table ip6 kube-proxy {
	chain filter-input {
		type filter hook input priority -110; policy accept;
	}
}
"""
IPTABLES = """table ip nat {
	chain KUBE-SERVICES {
	}
	chain KUBE-SERVICES-NOT {
	}
}
"""
OURS = "table inet portway {\n\tchain services4 {\n\t}\n}\ntable ip nat {\n\tchain POSTROUTING {\n\t}\n}\n"


@pytest.mark.parametrize(
    ("chains", "found"),
    [
        ("", []),
        (OURS, []),
        (
            NFTABLES + OURS,
            [
                "kube-proxy in nftables mode (table ip kube-proxy)",
                "kube-proxy in nftables mode (table ip6 kube-proxy)",
            ],
        ),
        (OURS + IPTABLES, ["kube-proxy in iptables or ipvs mode (table ip nat, chain KUBE-SERVICES)"]),
    ],
)
def test_other_proxies(chains: str, found: list[str]) -> None:
    assert other_proxies(chains) == found


@pytest.mark.parametrize(
    ("max_per_core", "least", "cores", "maximum"),
    [(32768, 131072, 2, 131072), (32768, 131072, 8, 262144), (0, 131072, 8, 0)],
)
def test_the_size_of_the_conntrack_table(max_per_core: int, least: int, cores: int, maximum: int) -> None:
    wanted = conntrack_sysctls(max_per_core, least, cores, 86400, 0)
    assert wanted.get("net/netfilter/nf_conntrack_max", 0) == maximum
    assert wanted["net/netfilter/nf_conntrack_tcp_timeout_established"] == 86400
    assert len(wanted) == (2 if maximum else 1), "0 leaves the kernel's"


def _held(root: Path, path: str, value: str) -> Path:
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(value)
    return place


def test_sysctls_are_written_where_they_differ_and_never_make_the_table_smaller(tmp_path: Path) -> None:
    large = _held(tmp_path, "net/netfilter/nf_conntrack_max", "500000\n")
    timeout = _held(tmp_path, "net/netfilter/nf_conntrack_tcp_timeout_close_wait", "60\n")
    wanted = {
        "net/netfilter/nf_conntrack_max": 131072,
        "net/netfilter/nf_conntrack_tcp_timeout_close_wait": 3600,
        "net/netfilter/absent": 1,
    }
    assert set_sysctls(wanted, tmp_path) == ["net.netfilter.absent is not set to 1: No such file or directory"]
    assert (large.read_text(), timeout.read_text()) == ("500000\n", "3600")


def test_a_node_that_does_not_forward_is_told(tmp_path: Path) -> None:
    _held(tmp_path, "net/ipv4/ip_forward", "0\n")
    _held(tmp_path, "net/ipv6/conf/all/forwarding", "1\n")
    (line,) = not_forwarding({"IPv4", "IPv6"}, tmp_path)
    assert line.startswith("net.ipv4.ip_forward is 0: this node does not forward IPv4 packets")
    assert not_forwarding({"IPv6"}, tmp_path) == []

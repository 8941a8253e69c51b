"""What a real node must offer before an agent takes kube-proxy's place on it."""

from collections.abc import Mapping
from pathlib import Path

from portway.agent import nft

SYSCTLS = Path("/proc/sys")
_MAX = "net/netfilter/nf_conntrack_max"
_ESTABLISHED = "net/netfilter/nf_conntrack_tcp_timeout_established"
_CLOSE_WAIT = "net/netfilter/nf_conntrack_tcp_timeout_close_wait"
_FORWARDING = {"IPv4": "net/ipv4/ip_forward", "IPv6": "net/ipv6/conf/all/forwarding"}


def other_proxies(chains: str) -> list[str]:
    """Which other Service proxies' rules are among the chains that `nft list chains` shows."""
    found: dict[str, None] = {}
    table = ""
    for line in map(str.strip, chains.splitlines()):
        if line.startswith("table "):
            table = line.removesuffix("{").strip()
            if table in ("table ip kube-proxy", "table ip6 kube-proxy"):
                found[f"kube-proxy in nftables mode ({table})"] = None
        elif line.startswith("chain KUBE-SERVICES "):
            found[f"kube-proxy in iptables or ipvs mode ({table}, chain KUBE-SERVICES)"] = None
    return list(found)


def list_chains() -> str:
    """Every chain of this network namespace. Raises nft.NftError, nft.NftMissing."""
    return nft.output("list", "chains")


def conntrack_sysctls(
    max_per_core: int, least: int, cores: int, established_seconds: int, close_wait_seconds: int
) -> dict[str, int]:
    """What kube-proxy sets, by path under /proc/sys; a value of 0 leaves the kernel's."""
    wanted = {
        _MAX: max(max_per_core * cores, least) if max_per_core else 0,
        _ESTABLISHED: established_seconds,
        _CLOSE_WAIT: close_wait_seconds,
    }
    return {path: value for path, value in wanted.items() if value}


def set_sysctls(wanted: Mapping[str, int], root: Path = SYSCTLS) -> list[str]:
    """Write those that differ; what could not be written, one line each. A larger conntrack table stays."""
    complaints = []
    for path, value in wanted.items():
        place = root / path
        try:
            held = int(place.read_text())
            if held != value and not (path == _MAX and held > value):
                place.write_text(str(value))
        except (OSError, ValueError) as error:
            reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
            complaints.append(f"{path.replace('/', '.')} is not set to {value}: {reason}")
    return complaints


def not_forwarding(families: set[str], root: Path = SYSCTLS) -> list[str]:
    """What keeps packets of pods and from outside from being forwarded here, one line for each family."""
    return [
        f"{path.replace('/', '.')} is 0: this node does not forward {family} packets, so Services work from the node "
        f"itself only; set it to 1 (sysctl -w {path.replace('/', '.')}=1)"
        for family, path in _FORWARDING.items()
        if family in families and _reads_zero(root / path)
    ]


def _reads_zero(place: Path) -> bool:
    try:
        return place.read_text().strip() == "0"
    except OSError:
        return False

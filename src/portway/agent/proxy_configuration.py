"""A KubeProxyConfiguration document as the options of `portway serve`, which are kube-proxy's flags.

What is empty or 0 stands for its default, as in kube-proxy. Fields that the API does not have are an error; fields
that it has and Portway has no use for are named.
Source: kubeproxy.config.k8s.io/v1alpha1 (k8s.io/kube-proxy config/v1alpha1/types.go, 1.36).
"""

from collections.abc import Iterator
from typing import Any

import msgspec
import yaml
from msgspec import Struct, field

API_VERSION, KIND = "kubeproxy.config.k8s.io/v1alpha1", "KubeProxyConfiguration"


class BadConfiguration(Exception):
    """The document cannot be used; one line that names the field."""


class Options(Struct, frozen=True):
    """Values by the names of the flags (`min_sync_period`), and the paths of fields that are not used."""

    values: dict[str, Any]
    unused: tuple[str, ...]


class _Fields(Struct, rename="camel", forbid_unknown_fields=True):
    pass


class _ClientConnection(_Fields):
    kubeconfig: Any = None
    accept_content_types: Any = None
    content_type: Any = None
    qps: Any = None
    burst: Any = None


class _IPTables(_Fields):
    masquerade_bit: Any = None
    masquerade_all: Any = None
    localhost_node_ports: Any = None
    sync_period: Any = None
    min_sync_period: Any = None


class _IPVS(_Fields):
    sync_period: Any = None
    min_sync_period: Any = None
    scheduler: Any = None
    exclude_cidrs: Any = field(default=None, name="excludeCIDRs")
    strict_arp: Any = field(default=None, name="strictARP")
    tcp_timeout: Any = None
    tcp_fin_timeout: Any = None
    udp_timeout: Any = None


class _NFTables(_Fields):
    masquerade_bit: Any = None
    masquerade_all: Any = None
    sync_period: Any = None
    min_sync_period: Any = None


class _DetectLocal(_Fields):
    bridge_interface: Any = None
    interface_name_prefix: Any = None


class _Conntrack(_Fields):
    max_per_core: Any = None
    min: Any = None
    tcp_established_timeout: Any = None
    tcp_close_wait_timeout: Any = None
    tcp_be_liberal: Any = None
    udp_timeout: Any = None
    udp_stream_timeout: Any = None


class _Configuration(_Fields):
    api_version: str = ""
    kind: str = ""
    feature_gates: Any = None
    client_connection: _ClientConnection | None = None
    logging: Any = None
    hostname_override: Any = None
    bind_address: Any = None
    healthz_bind_address: Any = None
    metrics_bind_address: Any = None
    bind_address_hard_fail: Any = None
    enable_profiling: Any = None
    show_hidden_metrics_for_version: Any = None
    mode: Any = None
    iptables: _IPTables | None = None
    ipvs: _IPVS | None = None
    nftables: _NFTables | None = None
    winkernel: Any = None
    detect_local_mode: Any = None
    detect_local: _DetectLocal | None = None
    cluster_cidr: Any = field(default=None, name="clusterCIDR")
    node_port_addresses: Any = None
    oom_score_adj: Any = None
    conntrack: _Conntrack | None = None
    config_sync_period: Any = None
    port_range: Any = None
    windows_run_as_service: Any = None


_OPTIONS = {
    "clientConnection.kubeconfig": "kubeconfig",
    "hostnameOverride": "hostname_override",
    "healthzBindAddress": "healthz_bind_address",
    "metricsBindAddress": "metrics_bind_address",
    "detectLocalMode": "detect_local_mode",
    "detectLocal.bridgeInterface": "pod_bridge_interface",
    "detectLocal.interfaceNamePrefix": "pod_interface_name_prefix",
    "clusterCIDR": "cluster_cidr",
    "nodePortAddresses": "nodeport_addresses",
    "conntrack.maxPerCore": "conntrack_max_per_core",
    "conntrack.min": "conntrack_min",
    "conntrack.tcpEstablishedTimeout": "conntrack_tcp_timeout_established",
    "conntrack.tcpCloseWaitTimeout": "conntrack_tcp_timeout_close_wait",
}
_OF_MODE = {"masqueradeAll": "masquerade_all", "minSyncPeriod": "min_sync_period"}
_MODES = ("nftables", "iptables", "ipvs")
_NO_SETTING = {"apiVersion", "kind", "mode"}
_ZERO_MATTERS = {"conntrack.maxPerCore", "conntrack.min"}
"""Here 0 is not "the default" but "leave the kernel's"."""


def options(text: str) -> Options:
    """What the document sets. Raises BadConfiguration."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadConfiguration(f"not YAML: {' '.join(str(error).split())}") from None
    given = _checked(document)
    # kube-proxy reads the section of the mode it runs in; whoever changes over keeps their own section.
    mode = given.mode if given.mode in _MODES else "iptables"
    names = _OPTIONS | {f"{mode}.{name}": option for name, option in _OF_MODE.items()}
    values: dict[str, Any] = {}
    unused = []
    for path, value in _set_fields(document):
        if path in names:
            values[names[path]] = ",".join(map(str, value)) if isinstance(value, list) else value
        elif path not in _NO_SETTING and path.partition(".")[0] not in {*_MODES} - {mode}:
            unused.append(path)
    return Options(values, tuple(unused))


def _checked(document: Any) -> _Configuration:
    if not isinstance(document, dict):
        raise BadConfiguration(f"must be one {KIND} document")
    found = document.get("apiVersion"), document.get("kind")
    if found != (API_VERSION, KIND):
        raise BadConfiguration(f"must be {API_VERSION}, {KIND}, not {found[0] or 'none'}, {found[1] or 'none'}")
    try:
        return msgspec.convert(document, _Configuration)
    except msgspec.ValidationError as error:
        what, _, place = str(error).replace("`", "").partition(" - at $")
        raise BadConfiguration(f"{place.strip('.') or KIND}: {what}") from None


def _set_fields(document: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of whatever is not empty."""
    for name, value in document.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict):
            yield from _set_fields(value, f"{path}.")
        elif (path in _ZERO_MATTERS and value == 0) or value not in (None, "", 0, False, [], "0s", "0"):
            yield path, value

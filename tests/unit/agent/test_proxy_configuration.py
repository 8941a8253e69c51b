"""kube-proxy's configuration file as flags."""

from typing import Any

import pytest

from portway.agent.proxy_configuration import BadConfiguration, options

HEAD = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"
KUBEADM = """
apiVersion: kubeproxy.config.k8s.io/v1alpha1
bindAddress: 0.0.0.0
bindAddressHardFail: false
clientConnection:
  acceptContentTypes: ""
  burst: 0
  contentType: ""
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
  qps: 0
clusterCIDR: 10.244.0.0/16,fd00:244::/48
configSyncPeriod: 0s
conntrack:
  maxPerCore: null
  min: null
  tcpBeLiberal: false
  tcpCloseWaitTimeout: null
  tcpEstablishedTimeout: null
  udpStreamTimeout: 0s
  udpTimeout: 0s
detectLocal: {bridgeInterface: "", interfaceNamePrefix: ""}
detectLocalMode: ""
enableProfiling: false
healthzBindAddress: ""
hostnameOverride: ""
iptables:
  localhostNodePorts: null
  masqueradeAll: false
  masqueradeBit: null
  minSyncPeriod: 0s
  syncPeriod: 0s
ipvs:
  excludeCIDRs: null
  minSyncPeriod: 0s
  scheduler: ""
  strictARP: false
  syncPeriod: 0s
  tcpFinTimeout: 0s
  tcpTimeout: 0s
  udpTimeout: 0s
kind: KubeProxyConfiguration
logging:
  flushFrequency: 0
  options: {json: {infoBufferSize: "0"}, text: {infoBufferSize: "0"}}
  verbosity: 0
metricsBindAddress: ""
mode: ""
nftables: {masqueradeAll: false, masqueradeBit: null, minSyncPeriod: 0s, syncPeriod: 0s}
nodePortAddresses: null
oomScoreAdj: null
portRange: ""
showHiddenMetricsForVersion: ""
winkernel: {enableDSR: false, forwardHealthCheckVip: false, networkName: "", rootHnsEndpointName: "", sourceVip: ""}
"""
"""The shape that kubeadm writes into the ConfigMap kube-system/kube-proxy: every field, mostly empty."""


def test_what_kubeadm_writes() -> None:
    found = options(KUBEADM)
    assert found.values == {
        "kubeconfig": "/var/lib/kube-proxy/kubeconfig.conf",
        "cluster_cidr": "10.244.0.0/16,fd00:244::/48",
    }
    assert found.unused == ("bindAddress",)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("nodePortAddresses: [10.0.0.0/8, fd00::/8]", {"nodeport_addresses": "10.0.0.0/8,fd00::/8"}),
        ("nodePortAddresses: [primary]", {"nodeport_addresses": "primary"}),
        ("conntrack: {maxPerCore: 0, min: 7}", {"conntrack_max_per_core": 0, "conntrack_min": 7}),
        ("conntrack: {tcpEstablishedTimeout: 1h0m0s}", {"conntrack_tcp_timeout_established": "1h0m0s"}),
        ("healthzBindAddress: 0.0.0.0", {"healthz_bind_address": "0.0.0.0"}),
        (
            "detectLocalMode: InterfaceNamePrefix\ndetectLocal: {interfaceNamePrefix: cali}",
            {"detect_local_mode": "InterfaceNamePrefix", "pod_interface_name_prefix": "cali"},
        ),
        ("mode: nftables\nnftables: {masqueradeAll: true, minSyncPeriod: 2s}",
         {"masquerade_all": True, "min_sync_period": "2s"}),
        ("iptables: {masqueradeAll: true}", {"masquerade_all": True}),
        ("mode: nftables\niptables: {masqueradeAll: true}", {}),
        ("mode: ipvs\nipvs: {minSyncPeriod: 3s}", {"min_sync_period": "3s"}),
    ],
)  # fmt: skip
def test_fields(text: str, values: dict[str, Any]) -> None:
    found = options(HEAD + text)
    assert (found.values, found.unused) == (values, ())


def test_fields_without_a_use_are_named() -> None:
    text = "oomScoreAdj: -999\nmode: nftables\nnftables: {masqueradeBit: 3}\nipvs: {strictARP: true}\n"
    assert options(HEAD + text).unused == ("oomScoreAdj", "nftables.masqueradeBit")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "must be one KubeProxyConfiguration document"),
        ("- 1", "must be one KubeProxyConfiguration document"),
        ("kind: [", "not YAML: "),
        (
            "kind: Pod\napiVersion: v1\nmetadata: {name: web}",
            "must be kubeproxy.config.k8s.io/v1alpha1, KubeProxyConfiguration, not v1, Pod",
        ),
        (
            "kind: KubeProxyConfiguration",
            "must be kubeproxy.config.k8s.io/v1alpha1, KubeProxyConfiguration, not none, KubeProxyConfiguration",
        ),
        (f"{HEAD}clusterCidr: 10.0.0.0/8", "KubeProxyConfiguration: Object contains unknown field clusterCidr"),
        (f"{HEAD}conntrack: {{max: 5}}", "conntrack: Object contains unknown field max"),
        (f"{HEAD}conntrack: much", "conntrack: Expected object | null, got str"),
    ],
)
def test_what_cannot_be_used(text: str, complaint: str) -> None:
    with pytest.raises(BadConfiguration) as failure:
        options(text)
    assert str(failure.value).startswith(complaint)

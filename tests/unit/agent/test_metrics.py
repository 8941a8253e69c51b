"""What Prometheus reads, read by Prometheus's own parser."""

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from portway.agent.metrics import TRIGGER_TIME, Tally, exposition
from tests.contract.services import service, table

NOW = 1_700_000_000.0


def _samples(tally: Tally) -> dict[str, float]:
    """By name, with labels as they are written."""
    text, content_type = exposition(tally)
    assert content_type.startswith("text/plain")
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sample.labels.items())
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_every_name_is_there_from_the_beginning() -> None:
    samples = _samples(Tally())
    rules = "kubeproxy_sync_proxy_rules"
    for name in (
        f"{rules}_duration_seconds_count",
        "kubeproxy_network_programming_duration_seconds_count",
        f"{rules}_last_timestamp_seconds",
        f"{rules}_last_queued_timestamp_seconds",
        f"{rules}_endpoint_changes_total",
        f"{rules}_endpoint_changes_pending",
        f"{rules}_service_changes_total",
        f"{rules}_service_changes_pending",
        f"{rules}_nftables_sync_failures_total",
        "kubeproxy_proxy_healthz_total{code=200}",
        "kubeproxy_proxy_healthz_total{code=503}",
        "kubeproxy_proxy_livez_total{code=200}",
        "kubeproxy_proxy_livez_total{code=503}",
    ):
        assert samples[name] == 0, name
    assert samples["process_resident_memory_bytes"] > 1 << 20


_KUBE_PROXY = [
    "conntrack_reconciler_deleted_entries_total",
    "conntrack_reconciler_sync_duration_seconds",
    "iptables_ct_state_invalid_dropped_packets_total",
    "iptables_localhost_nodeports_accepted_packets_total",
    "network_programming_duration_seconds",
    "proxy_healthz_total",
    "proxy_livez_total",
    "sync_full_proxy_rules_duration_seconds",
    "sync_partial_proxy_rules_duration_seconds",
    "sync_proxy_rules_duration_seconds",
    "sync_proxy_rules_endpoint_changes_pending",
    "sync_proxy_rules_endpoint_changes_total",
    "sync_proxy_rules_service_changes_pending",
    "sync_proxy_rules_service_changes_total",
    "sync_proxy_rules_last_queued_timestamp_seconds",
    "sync_proxy_rules_last_timestamp_seconds",
    "sync_proxy_rules_no_local_endpoints_total",
    "sync_proxy_rules_nftables_sync_failures_total",
    "sync_proxy_rules_nftables_cleanup_failures_total",
    "sync_proxy_rules_iptables_last",
    "sync_proxy_rules_iptables_total",
    "sync_proxy_rules_iptables_restore_failures_total",
    "sync_proxy_rules_iptables_partial_restore_failures_total",
]
"""All that kube-proxy 1.36 registers in any mode of Linux, without its prefix."""
_GUIDE = Path(__file__).parents[3] / "docs/guides/serve.md"


@pytest.mark.parametrize("name", _KUBE_PROXY)
def test_each_of_kube_proxys_is_there_or_said_to_have_no_meaning(name: str) -> None:
    meant, _, others = _GUIDE.read_text().partition("kube-proxy's other metrics have no meaning here")
    given = {line.split()[2] for line in exposition(Tally())[0].splitlines() if line.startswith("# TYPE")}
    assert (f"kubeproxy_{name}" in given) != (f"`{name}`" in others)
    pending = name.replace("changes_pending", "changes_total")  # one line tells of both
    assert (f"`kubeproxy_{pending}`" in meant) == (f"kubeproxy_{name}" in given)


def test_full_and_partial_syncs_are_told_apart() -> None:
    tally = Tally()
    tally.synced(0.5, NOW, whole=True)
    tally.synced(0.001, NOW)
    tally.synced(0.002, NOW)
    tally.reconciled(0.01, 3)
    samples = _samples(tally)
    counts = [samples[f"kubeproxy_sync_{kind}proxy_rules_duration_seconds_count"] for kind in ("", "full_", "partial_")]
    assert counts == [3, 1, 2]
    assert samples["kubeproxy_conntrack_reconciler_deleted_entries_total"] == 3
    assert samples["kubeproxy_conntrack_reconciler_sync_duration_seconds_count"] == 1


def test_ports_that_drop_under_policy_local_are_counted_once() -> None:
    far = service("far", 11, external_traffic_policy="Local"), "c"
    inner = service("inner", 12, internal_traffic_policy="Local"), "c"
    near = service("near", 13, external_traffic_policy="Local", internal_traffic_policy="Local"), "a"
    none = service("none", 14, external_traffic_policy="Local"), ""
    samples = _samples(Tally(table=lambda: table(far, inner, near, none)))
    name = "kubeproxy_sync_proxy_rules_no_local_endpoints_total"
    # each Service has a port for TCP and one for UDP, in both families
    assert (samples[f"{name}{{traffic_policy=internal}}"], samples[f"{name}{{traffic_policy=external}}"]) == (2, 2)


def test_changes_wait_until_a_sync() -> None:
    tally = Tally()
    for what in ("service", "endpoint", "endpoint", ""):
        tally.changed(what, NOW)
    before = _samples(tally)
    tally.synced(0.003, NOW + 1)
    after = _samples(tally)
    rules = "kubeproxy_sync_proxy_rules"
    for samples, pending in ((before, (1, 2)), (after, (0, 0))):
        assert samples[f"{rules}_service_changes_total"] == 1
        assert samples[f"{rules}_endpoint_changes_total"] == 2
        assert (
            samples[f"{rules}_service_changes_pending"],
            samples[f"{rules}_endpoint_changes_pending"],
        ) == pending
    assert after[f"{rules}_last_queued_timestamp_seconds"] == NOW
    assert after[f"{rules}_last_timestamp_seconds"] == NOW + 1


def test_durations_fall_into_buckets() -> None:
    tally = Tally()
    for seconds in (0.001, 0.003, 100.0):
        tally.synced(seconds, NOW)
    samples = _samples(tally)
    name = "kubeproxy_sync_proxy_rules_duration_seconds"
    assert [samples[f"{name}_bucket{{le={bound}}}"] for bound in ("0.001", "0.002", "0.004", "16.384", "+Inf")] == [
        1,
        1,
        2,
        2,
        3,
    ]
    assert samples[f"{name}_count"] == 3
    assert samples[f"{name}_sum"] == pytest.approx(100.004)


def _slice(time: object) -> dict[str, object]:
    return {"metadata": {"annotations": {TRIGGER_TIME: time}}}


def test_programming_takes_from_the_cause_to_the_kernel() -> None:
    tally = Tally()
    tally.triggered(_slice("2023-11-14T22:13:18Z"))  # two seconds before NOW
    tally.triggered(_slice("2023-11-14T22:13:19.500000000Z"))
    for nonsense in ({}, {"metadata": None}, _slice("yesterday"), _slice(7)):
        tally.triggered(nonsense)
    tally.synced(0.001, NOW)
    tally.synced(0.001, NOW)
    samples = _samples(tally)
    name = "kubeproxy_network_programming_duration_seconds"
    assert samples[f"{name}_count"] == 2
    assert samples[f"{name}_sum"] == pytest.approx(2.5)
    assert samples[f"{name}_bucket{{le=0.5}}"] == 1
    assert samples[f"{name}_bucket{{le=2.0}}"] == 2


def test_probes_are_counted() -> None:
    tally = Tally()
    tally.probes["healthz", 503] += 2
    tally.probes["livez", 200] += 1
    samples = _samples(tally)
    assert samples["kubeproxy_proxy_healthz_total{code=503}"] == 2
    assert samples["kubeproxy_proxy_livez_total{code=200}"] == 1

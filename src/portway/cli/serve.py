"""`portway serve`."""

import os
import socket
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from portway import agent
from portway.agent import machine, proxy_configuration
from portway.agent.nft import NftError
from portway.cli import cleanup, flags
from portway.cli.failure import Failure, tell
from portway.cli.logflags import access_log_flags, log_config
from portway.model import LocalDetector

if TYPE_CHECKING:
    from portway.agent import announce

_MODES = ("ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix")


def _read_config(ctx: click.Context, param: click.Parameter, file: Path | None) -> None:
    """What the file sets are the defaults of the flags."""
    if file is None:
        return
    try:
        found = proxy_configuration.options(file.read_text())
    except (proxy_configuration.BadConfiguration, UnicodeDecodeError, OSError) as error:
        raise click.BadParameter(f"{file}: {error}", ctx, param) from None
    ctx.default_map = found.values
    if found.unused:
        tell(f"{file}: not used here: {', '.join(found.unused)}")


@click.command()
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    callback=_read_config,
    is_eager=True,
    expose_value=False,
    help="A KubeProxyConfiguration; other flags go before what it says.",
)
@click.option("--kubeconfig", default="", metavar="FILE", help="Default: as kubectl, else the cluster this pod is in.")
@click.option("--hostname-override", default="", metavar="NODE", help="This node's name. Default: the host name.")
@click.option("--cluster-cidr", callback=flags.cidrs, default="", help="The pods' CIDRs, by which pods are told.")
@click.option("--detect-local-mode", type=click.Choice(_MODES), default="ClusterCIDR", help="How pods are told.")
@click.option("--pod-interface-name-prefix", default="", metavar="PREFIX", help="For InterfaceNamePrefix.")
@click.option("--pod-bridge-interface", default="", metavar="NAME", help="For BridgeInterface.")
@click.option(
    "--nodeport-addresses",
    callback=flags.cidrs_or_primary,
    default="primary",
    show_default=True,
    help='CIDRs of the addresses that accept nodePorts, or "primary".',
)
@click.option("--masquerade-all", is_flag=True, help="Hide every client of a clusterIP behind its node.")
@click.option(
    "--network-policy",
    type=bool,
    is_flag=False,
    flag_value=True,
    default=False,
    show_default=True,
    help="Enforce NetworkPolicies, if nobody else on this node does.",
)
@click.option(
    "--announce-load-balancers",
    is_flag=True,
    help="Answer ARP and NDP for LoadBalancer addresses of MetalLB's IPAddressPools and L2Advertisements.",
)
@click.option(
    "--load-balancer-lease-duration",
    callback=flags.duration,
    default="800ms",
    show_default=True,
    help="After such a silence of a node its addresses go to others.",
)
@click.option(
    "--min-sync-period",
    callback=flags.duration,
    default="0s",
    show_default=True,
    help="At least this between two syncs.",
)
@click.option("--healthz-bind-address", callback=flags.healthz_address, default="0.0.0.0:10256", show_default=True)
@click.option("--metrics-bind-address", callback=flags.metrics_address, default="127.0.0.1:10249", show_default=True)
@access_log_flags
@click.option("--conntrack-max-per-core", type=click.IntRange(0), default=32768, show_default=True, help="0: leave.")
@click.option("--conntrack-min", type=click.IntRange(0), default=131072, show_default=True)
@click.option("--conntrack-tcp-timeout-established", callback=flags.duration, default="24h", show_default=True)
@click.option("--conntrack-tcp-timeout-close-wait", callback=flags.duration, default="1h", show_default=True)
@click.option("--force", is_flag=True, help="Serve although another proxy's rules are here.")
@click.option("--cleanup", "cleaning", is_flag=True, help="Remove Portway's table and exit, as `portway cleanup`.")
def command(cleaning: bool, force: bool, **given: Any) -> None:
    """Be the node's kube-proxy for the cluster that the kubeconfig names, until SIGTERM.

    Takes kube-proxy's flags and its configuration file. Needs root (CAP_NET_ADMIN) in the node's network namespace
    and nft. Rules stay when it ends; --cleanup removes them.
    """
    if cleaning:
        cleanup.clean()
        return
    config = _agent_config(**given)
    _look_around(force)
    _prepare(config, **given)
    with _announcing(config, **given) as figures:
        code = agent.run(config, [figures] if figures else [])
    click.get_current_context().exit(code)


def _announcing(
    config: agent.AgentConfig, announce_load_balancers: bool, load_balancer_lease_duration: float, **_: Any
) -> AbstractContextManager["announce.Figures | None"]:
    if not announce_load_balancers:
        return nullcontext()
    from portway.agent import announce

    return announce.beside(
        announce.AnnounceConfig(
            config.node_name, kubeconfig=config.kubeconfig, lease_seconds=load_balancer_lease_duration
        )
    )


def _agent_config(**given: Any) -> agent.AgentConfig:
    return agent.AgentConfig(
        node_name=given["hostname_override"].strip().lower() or socket.gethostname().strip().lower(),
        kubeconfig=given["kubeconfig"],
        cluster_cidrs=given["cluster_cidr"],
        local_detector=_detector(**given),
        node_port_addresses=given["nodeport_addresses"] or "primary",
        masquerade_all=given["masquerade_all"],
        network_policy=given["network_policy"],
        access_log=log_config(**given),
        node_port_range=given["service_node_port_range"],
        min_sync_interval=given["min_sync_period"],
        healthz_bind_address=given["healthz_bind_address"],
        metrics_bind_address=given["metrics_bind_address"],
    )


def _detector(detect_local_mode: str, **given: Any) -> LocalDetector | None:
    """None for ClusterCIDR: the agent makes that one of the cluster's CIDRs, where there are any."""
    if detect_local_mode == "NodeCIDR":
        return LocalDetector("NodeCIDR")
    if detect_local_mode == "InterfaceNamePrefix":
        return LocalDetector("InterfaceNamePrefix", interface=_needed("pod_interface_name_prefix", given))
    if detect_local_mode == "BridgeInterface":
        return LocalDetector("BridgeInterface", interface=_needed("pod_bridge_interface", given))
    return None


def _needed(name: str, given: dict[str, Any]) -> str:
    value: str = given[name]
    if not value:
        raise click.UsageError(f"--detect-local-mode needs --{name.replace('_', '-')}")
    return value


def _look_around(force: bool) -> None:
    try:
        others = machine.other_proxies(machine.list_chains())
    except NftError as error:
        if "not permitted" not in str(error):
            raise
        raise Failure(
            f"cannot program this network namespace ({error}); run as root on the node, or with CAP_NET_ADMIN"
        ) from None
    if others and not force:
        raise Failure(
            f"here are already rules of {' and of '.join(others)}; two proxies undo each other.\n"
            "Stop kube-proxy on this node and run `kube-proxy --cleanup`, then start again; --force serves regardless"
        )


def _prepare(config: agent.AgentConfig, **given: Any) -> None:
    """The kernel settings that are kube-proxy's to make, and a word about those that are the node's."""
    sysctls = machine.conntrack_sysctls(
        given["conntrack_max_per_core"],
        given["conntrack_min"],
        os.cpu_count() or 1,
        int(given["conntrack_tcp_timeout_established"]),
        int(given["conntrack_tcp_timeout_close_wait"]),
    )
    families = {"IPv6" if ":" in cidr else "IPv4" for cidr in config.cluster_cidrs} or {"IPv4"}
    for complaint in (*machine.set_sysctls(sysctls), *machine.not_forwarding(families)):
        tell(complaint)

"""What each of a fleet's processes runs: the one place where `fleet` meets the rooms it does not know.

Importing this imports everything that those processes need: they are forks of this interpreter.
"""

import ipaddress
import socket
from collections.abc import Sequence
from functools import partial

from portway import agent, apiserver, controllers, nameserver
from portway.agent import announce
from portway.agent.pod_gate import PodGate
from portway.fleet import POD_INTERFACE, FleetConfig, FleetPaths, NodePlan, Programs, dialer
from portway.fleet.config import API_PORT, LOAD_BALANCER_RANGES, WIRE_CIDRS, api_address, families, parse_port_range
from portway.kubeapi import clusterdns, doorclasses, fallbackpool
from portway.kubeapi.errors import Doc
from portway.nftables import pod_sets

_RETENTION = agent.Retention(max_bytes=16 << 20)
"""Of a node's access log: 80 MiB in all, on a machine that people work on."""
_CLOSED_SECONDS = 1
"""In a fleet no packet is late, so a connection may be forgotten, and logged, soon after its end."""
_LEASE_SECONDS = 2.0
"""In a fleet only processes can hang, as a link that is cut is seen at once: better late than in vain."""


def programs(config: FleetConfig) -> Programs:
    """The programs of a fleet of this configuration."""

    def run_apiserver(paths: FleetPaths, https: socket.socket, unix: socket.socket) -> int:
        place = api_address(config), API_PORT
        _certify(paths, config, https.getsockname()[1], place[0])
        door = partial(dialer.listening, paths.dial_socket, *place)
        return apiserver.run(_server(config, paths, place), https, unix, door)

    def run_controllers(paths: FleetPaths) -> int:
        ca_file, metrics_socket = paths.pki / "ca.crt", paths.controllers_socket
        return controllers.run(str(paths.api_socket), ca_file, config.gateway_engine, metrics_socket)

    def run_agent(paths: FleetPaths, node: NodePlan) -> int:
        return agent.run(
            agent.AgentConfig(
                node_name=node.name,
                api_socket=str(paths.api_socket),
                cluster_cidrs=config.pod_cidrs,
                service_cidrs=config.service_cidrs,
                node_port_range=parse_port_range(config.node_port_range),
                network_policy=True,
                access_log=agent.LogConfig(str(paths.access_log(node.name)), _RETENTION, _CLOSED_SECONDS),
                pod_interface=POD_INTERFACE,
                healthz_bind_address="0.0.0.0:10256",
                metrics_bind_address="127.0.0.1:10249",
                metrics_socket=str(paths.agent_socket(node.name)),
            )
        )

    def run_nameserver(paths: FleetPaths, host_doors: Sequence[socket.socket]) -> int:
        return nameserver.run(
            nameserver.NameserverConfig(
                api_socket=str(paths.api_socket),
                handover_socket=str(paths.dns_socket),
                domain=config.cluster_domain,
                addresses=clusterdns.addresses(config.service_cidrs),
                ranges=(*config.service_cidrs, *config.pod_cidrs),
                inside=(*config.service_cidrs, *config.pod_cidrs, *WIRE_CIDRS),
            ),
            host_doors,
        )

    return Programs(
        apiserver=run_apiserver,
        controllers=run_controllers,
        agent=run_agent,
        announcer=_announce,
        nameserver=run_nameserver,
        gate=lambda: PodGate(pod_sets()),
    )


def _server(config: FleetConfig, paths: FleetPaths, place: tuple[str, int]) -> apiserver.ServerConfig:
    return apiserver.ServerConfig(
        data=paths.database,
        pki=paths.pki,
        service_cidrs=config.service_cidrs,
        node_port_range=parse_port_range(config.node_port_range),
        pod_logs=paths.pods,
        kubelets=paths.kubelets,
        inside=place,
        first_objects=tuple(_first_objects(config)),
    )


def _announce(paths: FleetPaths, node: NodePlan) -> int:
    told = announce.AnnounceConfig(
        node.name,
        api_socket=str(paths.api_socket),
        lease_seconds=_LEASE_SECONDS,
        metrics_socket=str(paths.announcer_socket(node.name)),
    )
    return announce.run(told)


def _first_objects(config: FleetConfig) -> list[Doc]:
    pool = fallbackpool.first_objects(LOAD_BALANCER_RANGES[family] for family in families(config))
    return [*nameserver.cluster_dns_objects(config.service_cidrs), *pool, *doorclasses.first_objects()]


def _certify(paths: FleetPaths, config: FleetConfig, port: int, inside: str) -> None:
    """Certificates and the kubeconfig, made by the first API server of a fleet and kept for its next ones."""
    if paths.kubeconfig.exists():
        return
    # Not at the head of this module: every process of the fleet would carry it, and only this one needs it, once.
    from portway.apiserver import pki

    first = [str(ipaddress.ip_network(cidr)[1]) for cidr in config.service_cidrs]
    pki.create(paths.pki, [*first, inside], config.cluster_domain)
    draft = paths.kubeconfig.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(pki.kubeconfig(paths.pki, f"https://127.0.0.1:{port}", config.name))
    draft.replace(paths.kubeconfig)

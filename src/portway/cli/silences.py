"""LoadBalancers of a fleet that do not answer from this machine, with the reasons that traces give."""

from collections.abc import Mapping, Sequence

from portway.analysis.ports import PortRow
from portway.analysis.target import Place, Target
from portway.analysis.trace import trace
from portway.cli import balancers, cluster
from portway.cli.terrain import terrain
from portway.client import Api
from portway.fleet import FleetState

_PASSING = frozenset({"LB_NOT_ANNOUNCED", "LB_PENDING", "LB_NO_LOCAL_ENDPOINT", "NO_ENDPOINTS", "NO_LOCAL_ENDPOINT"})
"""What young addresses go through: they are waited for."""


async def until_open(api: Api, state: FleetState, rows: Sequence[PortRow], seconds: float) -> list[str]:
    """Waits for LoadBalancers, but for those that objects keep silent; those that do not answer, and why."""

    async def why(waiting: Sequence[PortRow]) -> Mapping[PortRow, str]:
        ground = terrain(state, await cluster.read_for_trace(api))
        ends = {row: trace(ground, Place("outside"), _target(row)) for row in waiting}
        lasting = {row: end for row, end in ends.items() if not end.arrives and end.code not in _PASSING}
        return {row: f"{end.code}: {end.meaning}" for row, end in lasting.items()}

    return await balancers.until_open(rows, state.paths.host_doors, state.paths.dial_socket, seconds, why)


def _target(row: PortRow) -> Target:
    address = row.load_balancer_ips[0]
    return Target(f"{address}:{row.port}", str(row.port), "TCP", host=address)

"""A fleet's life and its ends, with small programs in the places of API server, controllers and agents."""

import asyncio
import os
import select
import signal
import socket
import time
from pathlib import Path

import pytest

from portway import fleet
from portway.fleet import linux
from portway.fleet import state as fleet_state
from portway.fleet.relay.dial import Dialer
from tests.e2e.ordinary import USERS, User, run_as
from tests.patience import until

pytestmark = pytest.mark.parametrize("user", USERS)
PORT = 7000


def _wait_for_ever(*_: object) -> int:
    while True:
        time.sleep(1000)


def _say_name(_: fleet.FleetPaths, node: fleet.NodePlan) -> int:
    """Answers with the node's name at each of its addresses."""
    listening = [
        socket.create_server((address, PORT), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
        for address in node.addresses
    ]
    while True:
        for ready in select.select(listening, [], [])[0]:
            client, (address, *_rest) = ready.accept()
            client.sendall(f"{node.name} {address}".encode())
            client.close()


PROGRAMS = fleet.Programs(apiserver=_wait_for_ever, controllers=_wait_for_ever, agent=_say_name)


def _up(name: str, nodes: int = 2) -> fleet.FleetState:
    started = fleet.start(fleet.FleetConfig(name=name, nodes=nodes), PROGRAMS)
    started.wired()
    return started.state


def _world(state: fleet.FleetState) -> int:
    return int(state.paths.world_pid.read_text())


def _processes(state: fleet.FleetState) -> set[int]:
    """All processes of the fleet, seen from the host: its session and its PID namespace."""
    inside = Path(f"/proc/{_world(state)}/ns/pid").readlink()
    everything = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return {pid for pid in everything if _belongs(pid, os.getsid(state.keeper_pid), inside)}


def _belongs(pid: int, session: int, namespace: Path) -> bool:
    try:
        return os.getsid(pid) == session or Path(f"/proc/{pid}/ns/pid").readlink() == namespace
    except OSError:
        return False


def _links() -> list[str]:
    return sorted(entry.name for entry in Path("/sys/class/net").iterdir())


def _comm(pid: int) -> str:
    """A process's name; "" when it has just ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _names(processes: set[int]) -> list[str]:
    return sorted(_comm(pid) for pid in processes)


def _nothing_left(state: fleet.FleetState, processes: set[int]) -> None:
    until(lambda: not any(fleet_state.process_start(pid) for pid in processes), "every process has ended")
    until(lambda: not state.paths.folder.exists(), "the folder is removed")
    assert fleet.fleets() == []


def _fleets_seen_inside(state: fleet.FleetState) -> str:
    """The names of the running fleets, as a fork of this process sees them after moving into the world."""
    reading, writing = os.pipe()
    world = Path(f"/proc/{_world(state)}/ns")
    order = [("pid", linux.CLONE_NEWPID), ("mnt", linux.CLONE_NEWNS)]
    if os.geteuid() != 0:
        order.insert(0, ("user", linux.CLONE_NEWUSER))
    if (first := os.fork()) == 0:
        for fd, flag in [(os.open(world / name, os.O_RDONLY), flag) for name, flag in order]:
            linux.setns(fd, flag)
        if (second := os.fork()) == 0:
            os.write(writing, ",".join(found.name for found in fleet.fleets()).encode())
            os._exit(0)
        os.waitpid(second, 0)
        os._exit(0)
    os.waitpid(first, 0)
    os.close(writing)
    with os.fdopen(reading) as names:
        return names.read()


async def _ask(state: fleet.FleetState, address: str) -> str:
    made = await Dialer(state.paths.dial_socket).connect("tcp", address, PORT)
    with made:
        return (await asyncio.get_running_loop().sock_recv(made, 100)).decode()


def _answers(state: fleet.FleetState, address: str) -> str:
    """What answers at a node's address, asked from outside; waits for the node's program, and for a dialer."""
    return until(lambda: asyncio.run(_ask(state, address)), f"{address} answers")


def test_from_up_to_down(user: User) -> None:
    def scenario() -> None:
        mounts, links = Path("/proc/self/mounts").read_text(), _links()
        state = _up("life")
        expected = {"portway-keeper", "portway-world", "apiserver", "controllers", "relay", "dialer"}
        expected |= {f"node-{k}-{process}" for k in (1, 2) for process in ("agent", "kubelet")}
        until(lambda: expected <= set(_names(_processes(state))), f"{expected} run")
        processes = _processes(state)
        assert [found.name for found in fleet.fleets()] == ["life"]
        assert fleet.find("life") == state
        for node in state.nodes:
            for address, client in zip(node.addresses, ("172.18.0.1", "fd00:18::1"), strict=True):
                assert _answers(state, address) == f"{node.name} {client}"
        assert (Path("/proc/self/mounts").read_text(), _links()) == (mounts, links)
        fleet.stop("life")
        assert not state.paths.folder.exists(), "stop returns when all is gone"
        _nothing_left(state, processes)
        assert (Path("/proc/self/mounts").read_text(), _links()) == (mounts, links)

    run_as(user, scenario)


@pytest.mark.parametrize("victim", ["keeper", "world", "gate"])
def test_killed_leaves_nothing(user: User, victim: str) -> None:
    def scenario() -> None:
        state = _up("killed")
        processes = _processes(state)
        world = _world(state)
        gate = int(Path(f"/proc/{world}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill({"keeper": state.keeper_pid, "world": world, "gate": gate}[victim], signal.SIGKILL)
        _nothing_left(state, processes)

    run_as(user, scenario)


def test_keeper_and_world_killed_at_once_leave_a_folder_that_the_next_look_removes(user: User) -> None:
    def scenario() -> None:
        state = _up("both")
        processes = _processes(state)
        os.kill(state.keeper_pid, signal.SIGSTOP)
        os.kill(_world(state), signal.SIGKILL)
        os.kill(state.keeper_pid, signal.SIGKILL)
        until(lambda: not any(fleet_state.process_start(pid) for pid in processes), "every process has ended")
        assert state.paths.folder.exists()
        assert fleet.fleets() == []
        assert not state.paths.folder.exists()
        fleet.stop(_up("both").name)

    run_as(user, scenario)


@pytest.mark.parametrize("victim", ["apiserver", "relay", "dialer", "node-1-agent"])
def test_a_killed_child_is_started_again(user: User, victim: str) -> None:
    def scenario() -> None:
        state = _up("again", nodes=1)

        def pid() -> int:
            named = [p for p in _processes(state) if _comm(p) == victim]
            return named[0] if len(named) == 1 else 0

        until(lambda: pid() > 0, f"{victim} runs")
        before = pid()
        os.kill(before, signal.SIGKILL)
        until(lambda: pid() not in (0, before), f"{victim} runs again")
        assert _answers(state, "172.18.0.11") == "node-1 172.18.0.1"
        fleet.stop("again")

    run_as(user, scenario)


def test_two_side_by_side(user: User) -> None:
    def scenario() -> None:
        one, two = _up("one", nodes=1), _up("two", nodes=1)
        assert [found.name for found in fleet.fleets()] == ["one", "two"]
        assert one.loopback != two.loopback
        assert one.api_url != two.api_url
        fleet.stop("one")
        assert [found.name for found in fleet.fleets()] == ["two"]
        assert _answers(two, "172.18.0.11") == "node-1 172.18.0.1"
        fleet.stop("two")

    run_as(user, scenario)


def test_what_cannot_be_is_refused_in_words(user: User) -> None:
    def scenario() -> None:
        state = _up("taken", nodes=1)
        with pytest.raises(fleet.FleetError, match='fleet "taken" is running already'):
            _up("taken")
        with pytest.raises(fleet.FleetError, match=r'no fleet "nobody" is running \(running: taken\)'):
            fleet.stop("nobody")
        with pytest.raises(fleet.FleetError, match=r'fleet "taken" has no node-9 \(outside, node-1, and its pods\)'):
            fleet.enter(state, "node-9", ["true"])
        fleet.stop("taken")

    run_as(user, scenario)


def test_enter(user: User) -> None:
    def scenario() -> None:
        state = _up("enter", nodes=1)
        folder = Path.cwd()
        try:
            assert fleet.enter(state, "node-1", ["sh", "-c", "ip -o address > seen; exit 7"]) == 7
            assert "172.18.0.11/24" in Path("seen").read_text()
            assert fleet.enter(state, "outside", ["sh", "-c", "ip -o address > seen"]) == 0
            assert "172.18.0.1/24" in Path("seen").read_text()
            assert fleet.enter(state, "outside", ["sh", "-c", "kill -TERM $$"]) == 128 + signal.SIGTERM
            assert fleet.enter(state, "outside", ["no-such-command"]) == 127
            assert Path.cwd() == folder, "the caller stays where it was"
            assert _fleets_seen_inside(state) == "enter", "and a look from inside takes nothing for dead"
            assert fleet.fleets() == [state]
        finally:
            Path("seen").unlink(missing_ok=True)
            fleet.stop("enter")

    run_as(user, scenario)

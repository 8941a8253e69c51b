"""Runs a scenario in a process of its own, as root or as an ordinary user, with a state root of its own."""

import ctypes
import importlib
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from portway import fleet

User = Literal["root", "ordinary"]
USERS: tuple[User, ...] = ("root", "ordinary")
_PR_SET_DUMPABLE = 4
_ORDINARY_ID = 61234
"""Belongs to nobody: namespaces need no account."""


def run_as(user: User, scenario: Callable[[], None]) -> None:
    """Fork, become `user`, run `scenario`, and fail the test with its traceback if it raises."""
    if user == "root" and os.geteuid() != 0:
        pytest.skip("needs root; the ordinary user's half of this test runs")
    # An ordinary user may not be able to read the interpreter's home: what is needed later is imported now.
    for name in ("aiohttp", "concurrent.futures.thread"):
        importlib.import_module(name)
    # Not pytest's tmp_path: its parents are closed to other users.
    state = Path(tempfile.mkdtemp(prefix="pw-"))
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _be(user, state, scenario, writing)
    os.close(writing)
    with os.fdopen(reading) as failures:
        failure = failures.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    left = [str(path.relative_to(state)) for path in state.rglob("*")]
    shutil.rmtree(state, ignore_errors=True)
    assert not failure, f"as {user}:\n{failure}"
    assert code == 0, f"as {user}: ended with {code}"
    assert left == [], f"as {user}: left behind in the state root: {left}"


def _be(user: User, state: Path, scenario: Callable[[], None], failures: int) -> None:
    try:
        if user == "ordinary" and os.geteuid() == 0:
            os.chown(state, _ORDINARY_ID, _ORDINARY_ID)
            os.setgroups([])
            os.setgid(_ORDINARY_ID)
            os.setuid(_ORDINARY_ID)
            # setuid without exec leaves /proc/self to root.
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
        os.environ["HOME"] = str(state)
        os.environ["PORTWAY_STATE"] = str(state)
        os.chdir(state)
        try:
            scenario()
        finally:
            for left in fleet.fleets():
                fleet.stop(left.name)
        code = 0
    except BaseException:
        os.write(failures, traceback.format_exc().encode())
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)

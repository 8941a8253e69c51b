"""What holds for all tests."""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is slow, and no test asserts how long anything takes. The gate tries the same examples every time, so
# that what passes on one machine passes on another; `make explore` tries others.
settings.register_profile("portway", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.register_profile("explore", settings.get_profile("portway"), derandomize=False, max_examples=1000)
settings.load_profile("portway")

_WHOM = frozenset({"root", "ordinary", "as we are", "user namespace", "builtin", "haproxy"})
"""Ids of parameters of fixtures that a file's tests share: two people share no fleet, two engines no door."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """What shares a fixture stays together, in its order, when several workers run the tests.

    By names, because pytest-xdist 3.8 cannot hand its own groups to pytest 9.2, and is silent about it.
    """
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class ByFixture(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid)

    return ByFixture(config, log)


def group(nodeid: str) -> str:
    """The test's file, and for whom it runs."""
    file, _, test = nodeid.partition("::")
    parameters = test.partition("[")[2].rstrip("]").split("-")
    return " ".join([file, *(name for name in parameters if name in _WHOM)])

"""What holds for all tests."""

import pytest
from hypothesis import settings

# A busy machine is slow, and no test asserts how long anything takes.
settings.register_profile("portway", deadline=None)
settings.load_profile("portway")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What shares a fixture stays together when several workers run the tests (`pytest -n N --dist loadgroup`)."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))


def _group(item: pytest.Item) -> str:
    """Its file, and for whom it runs: two people share no fleet and no namespace."""
    callspec = getattr(item, "callspec", None)
    parameters = callspec.params if callspec is not None else {}
    whom = [str(parameters[name]) for name in ("person", "user", "node") if name in parameters]
    return " ".join([item.nodeid.partition("::")[0], *whom])

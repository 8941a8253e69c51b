"""What was logged by us: others may tell of what an earlier test has left, whenever Python tidies up."""

import pytest


def by_portway(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Messages of our own loggers, so far."""
    return [record.getMessage() for record in caplog.records if record.name.startswith("portway")]

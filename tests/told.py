"""What was logged by us: others may tell of what an earlier test has left, whenever Python tidies up."""

import logging

import pytest


def by_portway(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Messages of our own loggers, so far."""
    return [record.getMessage() for record in caplog.records if record.name.startswith("portway")]


def of_us_and_asyncio(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """With what asyncio says of connections and callbacks; of tasks it speaks when they are tidied up."""
    told = [record for record in caplog.records if record.name.partition(".")[0] in ("portway", "asyncio")]
    return [record for record in told if not record.getMessage().startswith("Task ")]

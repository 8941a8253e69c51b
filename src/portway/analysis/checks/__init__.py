"""One check a file, `CHECK` in each: found here by being here."""

import importlib
import pkgutil

from portway.analysis.check import Check


def built_in() -> tuple[Check, ...]:
    """Every check of this folder, by code."""
    modules = (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    checks: list[Check] = [module.CHECK for module in modules]
    return tuple(sorted(checks, key=lambda check: check.code))

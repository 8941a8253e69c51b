"""What holds for all tests."""

from hypothesis import settings

# A busy machine is slow, and no test asserts how long anything takes.
settings.register_profile("portway", deadline=None)
settings.load_profile("portway")

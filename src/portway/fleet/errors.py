"""What the fleet tells a person: bad input and a bad environment, never a bug."""


class FleetError(Exception):
    """Its text says what is wrong and what to do about it, in one or a few lines."""

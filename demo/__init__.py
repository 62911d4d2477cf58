"""A counter that many terminals increment, exactly once a tick: ``python -m demo``."""

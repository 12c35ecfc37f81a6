"""What holds for all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# Tests never judge by the clock: a busy machine must not make them fail. The timeout for each test
# (pyproject.toml) is what ends one that hangs.
settings.register_profile(
    "fanout", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("fanout")

"""The pulse: how long it is to a worker's next tick. Pure.

A tick costs 0.2 ms, whether something is due or not: 64 workers that have nothing to do took an
eighth of a core with ten ticks a second. So they are further apart while nothing is due. As soon
as there is something to watch over, the next one comes in time.
"""

from __future__ import annotations

TICK = 0.1  # seconds; the net under the doorbell, and the resolution of the timeouts
QUIET_TICK = 0.5  # seconds, while nothing is due; below the gap that counts as not listening
PART = 5  # of the times that hold for a quiet worker, too: five ticks in each


def quiet_tick(worker_timeout: float, heartbeat_interval: float) -> float:
    """Seconds between two ticks of a worker that is quiet; TICK to QUIET_TICK.

    Args:
        worker_timeout: seconds without a sign of life after which it is taken for hung.
        heartbeat_interval: seconds between two PINGs to a subscriber, 0 = none.
    """
    times = [QUIET_TICK, worker_timeout / PART]
    if heartbeat_interval:
        times.append(heartbeat_interval / PART)
    return max(TICK, min(times))

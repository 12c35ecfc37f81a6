"""What a coordinator promises, written down once more, in seconds and times; how processes end."""

from __future__ import annotations

LOOK = 0.5  # the coordinator looks at the workers so often
LOOKS_EACH = 8  # or so often in `worker_timeout`
WITNESSED_MAX = 2  # looks: of the time between two, if it comes late to the second
ABORTING = 0.15  # for one that hangs to say where
HANG_UP_MAX = 2 * LOOK + WITNESSED_MAX * LOOK + ABORTING  # that one may live with a closed channel
FINISHING = 1.0  # past its timeout
FORGIVEN_AFTER = 30.0  # of service
FAILURES = 5  # in a row, that are never final
NO_SERVICE = 300.0  # from then on a failure beyond those is final
AT_ONCE = 4  # in a second: starts of those that were ended from outside
CODES = (None, 0, 4, -11, -6, -9, -9, -15)  # that a process ends with
FROM_OUTSIDE = (-9, -15)
BACK_OFF = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0)  # after so many failures in a row, or more
ASKED_MAX = 40  # times: a worker, for one connection that is to move

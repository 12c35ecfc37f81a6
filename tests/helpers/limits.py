"""What a peer may take of a session in tests: what it may by default."""

from __future__ import annotations

from fanout.options import Options
from fanout.terms.reserved import RESERVED
from fanout.zmtp import SessionLimits

_DEFAULTS = Options()

LIMITS = SessionLimits(
    max_frame_bytes=_DEFAULTS.max_inbound_bytes,
    max_subscriptions=_DEFAULTS.max_subscriptions,
    max_subscription_bytes=_DEFAULTS.max_subscription_bytes,
    max_subscriptions_bytes=_DEFAULTS.max_subscriptions_bytes,
    allow_zmtp_1=_DEFAULTS.allow_zmtp_1,
    reserved=RESERVED,
)

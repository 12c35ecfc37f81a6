"""Who may subscribe of those who have shown a certificate."""

from __future__ import annotations

from fanout.security.certified import Certified
from fanout.security.verdicts import Allow, Deny, Request

REQUEST = Request(1, "127.0.0.1:5", "tls://x", "TLS", "desk7", certificate=b"DER")


def test_all_may_if_nobody_says_anything_else() -> None:
    assert Certified(None).asks
    assert Certified(None).judge(REQUEST) == Allow()


def test_a_check_says_who() -> None:
    seen = []

    def check(request: Request) -> bool:
        seen.append(request)
        return request.username == "desk8"

    assert Certified(check).judge(REQUEST) == Deny()
    assert seen == [REQUEST]
    assert REQUEST.user == "desk7"
    assert "DER" not in repr(REQUEST)


def test_a_check_may_be_awaited() -> None:
    async def check(request: Request) -> Allow:
        return Allow(subscribe=[request.username])

    assert Certified(check).judge(REQUEST) == Allow(subscribe=["desk7"])

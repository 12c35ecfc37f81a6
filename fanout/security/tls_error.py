"""Why TLS cannot go on. Apart from what raises it: to load `ssl` takes some ms, and few have it."""

from __future__ import annotations

from fanout.zmtp.errors import Refusal, RemoteProtocolError


class TlsError(RemoteProtocolError):
    """TLS cannot go on, or not begin.

    Attributes:
        reason: as OpenSSL calls it; "" = it has no name for it.
        verify_code: why we refuse the peer's certificate, as OpenSSL counts; 0 = we do not.
        verify_text: the same in its words.
        is_none: the peer speaks no TLS.
        is_zmtp: but ZMTP without it.
    """

    def __init__(
        self,
        text: str,
        reason: str = "",
        *,
        verify_code: int = 0,
        verify_text: str = "",
        is_none: bool = False,
        is_zmtp: bool = False,
    ) -> None:
        super().__init__(text)
        self.reason = reason
        self.verify_code = verify_code
        self.verify_text = verify_text
        self.is_none = is_none
        self.is_zmtp = is_zmtp
        self.refusal = Refusal.MECHANISM if is_zmtp else None

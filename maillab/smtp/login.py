"""AUTH as a server holds it: line by line, until the client is known or has failed (RFC 4954)."""

from __future__ import annotations

from typing import Final

from maillab.smtp.answers import Answer
from maillab.smtp.host import Host
from maillab.smtp.replies import Reply
from maillab.smtp.sasl import MECHANISMS, Challenge, Exchange, SaslError, decode_response
from maillab.smtp.words import Auth
from maillab.trace.recorder import RecordLog

_EMPTY: Final = "="  # an initial response that is there and has no octets (RFC 4954 section 4)
_GIVING_UP: Final = "*"  # RFC 4954 section 4


class LoginConversation:
    """The logins of one connection; `host` says who may try, and whether the password was right."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._mechanism = ""
        self._exchange: Exchange | None = None

    async def begin(self, auth: Auth, log: RecordLog) -> Reply:
        """AUTH: a challenge, or the end at once where everything was said."""
        refusal = self._host.may_log_in()
        if refusal is not None:
            return refusal
        make = MECHANISMS.get(auth.mechanism)
        if make is None:
            return self._host.style.reply(Answer.UNKNOWN_MECHANISM, offered=" ".join(MECHANISMS))
        self._mechanism = auth.mechanism
        self._exchange = make()
        if auth.initial_response is None:
            return await self._step(None, log)
        if auth.mechanism == "LOGIN":
            self._exchange.respond(None)  # the user name came unasked
        return await self.go_on("" if auth.initial_response == _EMPTY else auth.initial_response, log)

    async def go_on(self, text: str, log: RecordLog) -> Reply:
        """The client's next line."""
        if text == _GIVING_UP:
            return self._host.style.reply(Answer.SYNTAX, status="5.7.0", problem="You gave up logging in")
        try:
            return await self._step(decode_response(text), log)
        except SaslError as error:
            return self._host.style.reply(Answer.SYNTAX, status="5.5.2", problem=error)

    async def _step(self, response: bytes | None, log: RecordLog) -> Reply:
        assert self._exchange is not None  # the table lets no response come before AUTH
        step = self._exchange.respond(response)
        if isinstance(step, Challenge):
            return self._host.style.reply(Answer.AUTH_GOES_ON, challenge=step.encoded)
        return await self._host.log_in(step, self._mechanism, log)

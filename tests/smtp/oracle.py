"""What a server has to answer to a random client, worked out from the RFCs and not from our table."""

from __future__ import annotations

import base64

import attrs

from maillab.smtp.limits import Limits

PATIENT = Limits(message_octets=30, errors=10**9, commands_without_mail=10**9)
GOOD, BAD = (base64.b64encode(f"\0anna\0{word}".encode()).decode() for word in ("secret", "wrong"))


@attrs.define
class Oracle:
    """Listens to what a client says, and knows what is due for it.

    Attributes:
        steps: what is said, and the codes that are due for it.
        messages: what has to have arrived in the end.
    """

    greeted: bool = False
    mail: bool = False
    rcpt: bool = False
    chunks: bytes | None = None
    logged_in: bool = False
    ended: bool = False
    steps: list[tuple[bytes, list[int]]] = attrs.field(factory=list)
    messages: list[bytes] = attrs.field(factory=list)

    def say(self, word: str) -> None:
        """What a client says in one breath; `word` is of `WORDS`."""
        if self.ended:
            return
        verb, _, rest = word.partition(" ")
        match verb:
            case "EHLO":
                self._forget()
                self.greeted = True
                self._step(f"{word}\r\n", 250)
            case "RSET":
                self._forget()
                self._step("RSET\r\n", 250)
            case "MAIL":
                allowed = self.greeted and not self.mail
                self.mail |= allowed
                self._step("MAIL FROM:<anna@nord.example>\r\n", 250 if allowed else 503)
            case "RCPT":
                allowed = self.mail and self.chunks is None
                self.rcpt |= allowed and rest != "nobody"
                self._step(f"RCPT TO:<{rest}@x>\r\n", 503 if not allowed else 550 if rest == "nobody" else 250)
            case "DATA":
                self._data()
            case "BDAT":
                self._chunk(b"\r\n.\r\nQUIT\r\n"[: int(rest.split()[0])], "LAST" in rest)
            case "AUTH":
                self._login(rest)
            case "STARTTLS":
                self._step("STARTTLS\r\n", 503 if self.mail else 454)
            case "QUIT":
                self.ended = True
                self._step("QUIT\r\n", 221)
            case _:
                self._step(f"{word}\r\n", ODD[word])

    def _step(self, octets: str | bytes, *codes: int) -> None:
        self.steps.append((octets.encode() if isinstance(octets, str) else octets, [*codes]))

    def _forget(self) -> None:
        self.mail = self.rcpt = False
        self.chunks = None

    def _data(self) -> None:
        allowed = self.rcpt and self.chunks is None
        self._step("DATA\r\n", 354 if allowed else 503)
        if allowed:
            self.messages.append(f".{len(self.messages)}\r\n".encode())
            self._step(b"." + self.messages[-1])
            self._step(".\r\n", 250)
            self._forget()
        else:
            self._step(".\r\n", 500)

    def _chunk(self, octets: bytes, last: bool) -> None:
        line = f"BDAT {len(octets)}{' LAST' if last else ''}\r\n".encode()
        if octets:
            self._step(line)
            line = b""
        if not self.rcpt:
            self._step(line + octets, 503)
            return
        self.chunks = (self.chunks or b"") + octets
        self._step(line + octets, 552 if len(self.chunks) > PATIENT.message_octets else 250)
        if len(self.chunks) > PATIENT.message_octets:
            self._forget()
        elif last:
            self.messages.append(self.chunks)
            self._forget()

    def _login(self, response: str) -> None:
        allowed = self.greeted and not self.mail and not self.logged_in
        self._step("AUTH PLAIN\r\n", 334 if allowed else 503)
        verdict = {GOOD: 235, BAD: 535}.get(response, 501)
        self._step(f"{response}\r\n", verdict if allowed else 500)
        self.logged_in |= allowed and verdict == 235


ODD = {
    "NOOP": 250,
    "NOOP\r": 501,
    "VRFY anna": 252,
    "HELP": 214,
    "EXPN team": 502,
    "HELLO": 500,
    "": 500,
    "STARTTLS\0": 501,
    "BDATA": 500,
    "AUTHOR": 500,
    "x" * 600: 500,
}
WORDS = [
    *("EHLO client.example", "MAIL", "MAIL", "RCPT ben", "RCPT ben", "RCPT nobody", "DATA", "DATA", "RSET", "QUIT"),
    *("BDAT 0", "BDAT 5", "BDAT 11", "BDAT 0 LAST", "BDAT 11 LAST", "STARTTLS"),
    *(f"AUTH {GOOD}", f"AUTH {BAD}", "AUTH *", "AUTH !"),
    *ODD,
]
MOSTLY_LEGAL = ["EHLO c", "MAIL", "RCPT ben", "DATA", "MAIL", "RCPT ben", "BDAT 5", "BDAT 11 LAST"]

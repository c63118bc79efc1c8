"""Everything that a server can answer: its codes, and its words in each style."""

from __future__ import annotations

import enum

import attrs


@attrs.frozen(eq=False)  # two answers may have the same words and are still two answers
class Words:
    """One answer: its codes, and its text in each style; a newline parts the lines of a reply."""

    code: int
    enhanced: str | None
    realistic: str
    filius_de: str
    filius_en: str


class Answer(enum.Enum):
    """Everything that a server can answer.

    The textbook's sentences (`filius_*` of greeting, HELO, MAIL, RCPT, DATA, end of data, QUIT, 501, the first line
    of 503, NOOP) stand to the letter; what its simulator leaves unanswered got words of the same kind, in ASCII.
    """

    GREETING = Words(220, None, "{host} ESMTP maillab", "Willkommen bei {domain}", "Welcome to {domain}")
    HELLO = Words(250, None, "{host} greets {client}", "Hello {client}", "Hello {client}")
    SENDER_OK = Words(250, "2.1.0", "Ok", "Sender OK", "Sender OK")
    RECIPIENT_OK = Words(250, "2.1.5", "Ok", "Recipient OK", "Recipient OK")
    START_DATA = Words(354, None, *["End data with <CR><LF>.<CR><LF>"] * 3)
    QUEUED = Words(250, "2.0.0", "Ok: queued as {queue_id}", *["Mail queued for delivery"] * 2)
    DUPLICATE = Words(250, "2.0.0", "Ok: {queue_id} was here before", *["Mail queued for delivery"] * 2)
    OK = Words(250, "2.0.0", "Ok", "OK", "OK")
    CANNOT_VERIFY = Words(
        252,
        "2.5.0",
        "Users are not listed here; try RCPT, it says whether {address} is known",
        "Hier werden keine Benutzer verraten; RCPT TO sagt, ob es {address} gibt.",
        "Users are not listed here; RCPT TO says whether {address} is known.",
    )
    HELP = Words(214, "2.0.0", "{help}", "{help}", "{help}")
    BYE = Words(
        221,
        "2.0.0",
        "{host} closes the connection",
        "Server beendet Verbindung.",
        "Server closes the connection.",
    )

    CHUNK_TAKEN = Words(250, "2.0.0", "Ok: {octets} octets so far", "OK", "OK")
    START_TLS = Words(220, "2.0.0", "Ready to start TLS", "Bereit fuer TLS", "Ready to start TLS")
    AUTH_GOES_ON = Words(334, None, "{challenge}", "{challenge}", "{challenge}")
    LOGGED_IN = Words(235, "2.7.0", "Welcome {user}", "Willkommen {user}", "Welcome {user}")
    VERIFIED = Words(250, "2.1.5", "{address}", "{address}", "{address}")

    TIMEOUT = Words(
        421,
        "4.4.2",
        "{host} waited {seconds} seconds and heard nothing; closing",
        "Server hat {seconds} Sekunden lang nichts gehoert und beendet die Verbindung.",
        "Server heard nothing for {seconds} seconds and closes the connection.",
    )
    STOPPING = Words(
        421,
        "4.3.2",
        "{host} is being stopped; try again later",
        "Server wird angehalten; bitte spaeter noch einmal.",
        "Server is being stopped; try again later.",
    )
    TOO_MANY_ERRORS = Words(
        421,
        "4.7.0",
        "{host} met too many errors; closing",
        "Zu viele Fehler; Server beendet die Verbindung.",
        "Too many errors; server closes the connection.",
    )
    ENDLESS_LINE = Words(
        421,
        "4.7.0",
        "{host} met a line without an end; closing",
        "Zeile ohne Ende; Server beendet die Verbindung.",
        "A line without an end; server closes the connection.",
    )
    TOO_MANY_CONNECTIONS = Words(
        421,
        "4.7.0",
        "{host} has too many connections; try again later",
        "Zu viele Verbindungen; bitte spaeter noch einmal.",
        "Too many connections; try again later.",
    )
    TOO_MANY_COMMANDS = Words(
        421,
        "4.7.0",
        "{host} met {limit} commands and no mail; closing",
        "{limit} Kommandos und keine Mail; Server beendet die Verbindung.",
        "{limit} commands and no mail; server closes the connection.",
    )
    OCTETS_BEHIND_STARTTLS = Words(
        421,
        "4.7.0",
        "{host} met octets behind STARTTLS; wait for the reply, then speak TLS; closing",
        "Hinter STARTTLS darf nichts folgen; Server beendet die Verbindung.",
        "Nothing may follow STARTTLS; server closes the connection.",
    )
    TLS_NOT_NOW = Words(
        454,
        "4.7.0",
        "TLS is not available now; try again later",
        "TLS geht gerade nicht; bitte spaeter noch einmal.",
        "TLS is not available now; try again later.",
    )
    GREYLISTED = Words(
        451,
        "4.7.1",
        "<{address}>: {reason} (greylisting)",
        "Bitte spaeter noch einmal: dieser Absender ist hier neu (Greylisting).",
        "Try again later: this sender is new here (greylisting).",
    )
    TRY_LATER = Words(
        451,
        "4.3.0",
        "Our fault: the message could not be taken; try again later",
        "Fehler im Server: Mail nicht angenommen; bitte spaeter noch einmal.",
        "A fault of the server: mail not taken; try again later.",
    )
    DAMAGED = Words(
        451,
        "4.3.0",
        "The database of this server is damaged, so nothing was stored; keep the message, and send it again later",
        "Datenbank beschaedigt: Mail nicht gespeichert; bitte spaeter noch einmal.",
        "The database is damaged: mail not stored; try again later.",
    )
    STORAGE = Words(
        452,
        "4.3.1",
        "The disk of this server is full or fails, so nothing was stored; keep the message, and send it again later",
        "Kein Platz auf der Festplatte: Mail nicht gespeichert; bitte spaeter noch einmal.",
        "No room on the disk: mail not stored; try again later.",
    )
    TOO_MANY_RECIPIENTS = Words(
        452,
        "4.5.3",
        "Too many recipients; {limit} is the limit, send the rest in another transaction",
        "Zu viele Empfaenger; mehr als {limit} bitte mit einer weiteren Mail.",
        "Too many recipients; send more than {limit} with another mail.",
    )

    UNKNOWN_COMMAND = Words(
        500,
        "5.5.2",
        "{verb} is no SMTP command; did you mean {nearest}?",
        "Unbekanntes Kommando: {verb}\nMeinten Sie {nearest}?",
        "Unknown command: {verb}\nDid you mean {nearest}?",
    )
    NO_COMMAND = Words(
        500,
        "5.5.2",
        "{problem}; known commands: {verbs}",
        "Unbekanntes Kommando.\nBekannt sind: {verbs}",
        "Unknown command.\nKnown are: {verbs}",
    )
    BARE_LF_COMMAND = Words(
        500,
        "5.5.2",
        "This line ended with LF alone; SMTP lines end with CR LF (with nc: nc -C)",
        "Diese Zeile endet nur mit LF.\nSMTP-Zeilen enden mit CR LF (mit nc: nc -C).",
        "This line ended with LF alone.\nSMTP lines end with CR LF (with nc: nc -C).",
    )
    LINE_TOO_LONG = Words(
        500,
        "5.5.2",
        "Line too long; a command line has at most {limit} octets, CR LF included",
        "Zeile zu lang.\nEine Kommandozeile hat hoechstens {limit} Oktette samt CR LF.",
        "Line too long.\nA command line has at most {limit} octets, CR LF included.",
    )
    SYNTAX = Words(
        501,
        "5.5.4",
        "{problem}",
        "Syntax-Fehler - Parameter oder Argument falsch.",
        "Syntax error - parameter or argument wrong.",
    )
    NOT_IMPLEMENTED = Words(
        502,
        "5.5.1",
        "{verb} is not offered here",
        "{verb} wird hier nicht angeboten.",
        "{verb} is not offered here.",
    )
    OUT_OF_ORDER = Words(
        503,
        "5.5.1",
        "{verb} is out of order; expected now: {expected}",
        "Falsche Reihenfolge der Kommandos.\nJetzt wird erwartet: {expected}",
        "Bad sequence of commands.\nExpected now: {expected}",
    )
    TLS_IS_ON = Words(503, "5.5.1", "TLS is on already", "TLS laeuft schon.", "TLS is on already.")
    LOGGED_IN_BEFORE = Words(
        503, "5.5.1", "You are logged in as {user} already", "Schon angemeldet: {user}", "Already logged in: {user}"
    )
    UNKNOWN_MECHANISM = Words(
        504,
        "5.5.4",
        "This mechanism is not offered; use {offered}",  # it is not quoted: it may be a password in the wrong place
        "Dieses Verfahren wird hier nicht angeboten; bekannt sind {offered}.",
        "This mechanism is not offered here; known are {offered}.",
    )
    TLS_FIRST = Words(
        530,
        "5.7.0",
        "TLS first: say STARTTLS",
        "Erst TLS: STARTTLS",
        "TLS first: STARTTLS",
    )
    LOGIN_FIRST = Words(
        530,
        "5.7.0",
        "Log in first: say AUTH PLAIN or AUTH LOGIN",
        "Erst anmelden: AUTH PLAIN oder AUTH LOGIN",
        "Log in first: AUTH PLAIN or AUTH LOGIN",
    )
    WRONG_LOGIN = Words(
        535,
        "5.7.8",
        "User name or password is wrong",
        "Benutzername oder Passwort falsch.",
        "User name or password wrong.",
    )
    LOGIN_NEEDS_TLS = Words(
        538,
        "5.7.11",
        "A password is said only inside TLS: say STARTTLS first",
        "Ein Passwort wird nur in TLS genannt; erst STARTTLS.",
        "A password is said only inside TLS; STARTTLS first.",
    )
    VERIFY_UNKNOWN = Words(550, "5.1.1", "{address}: no such user here", "Unbekannt: {address}", "Unknown: {address}")
    UNKNOWN_USER = Words(
        550,
        "5.1.1",
        "<{address}>: no such user at {domain}",
        "Empfaenger unbekannt: <{address}>",
        "Recipient unknown: <{address}>",
    )
    UNKNOWN_DOMAIN = Words(
        550,
        "5.1.2",
        "<{address}>: no server of this lab takes mail for {domain}",
        "Domain unbekannt: kein Server dieses Labors nimmt Mail an <{address}> an.",
        "Domain unknown: no server of this lab takes mail for <{address}>.",
    )
    RELAY_DENIED = Words(
        550,
        "5.7.1",
        "<{address}>: relay denied; {reason}",
        "Weiterleitung an <{address}> verweigert.",
        "Relaying to <{address}> denied.",
    )
    BARE_NEWLINE = Words(
        550,
        "5.6.0",
        "Message has a CR or LF on its own; every line ends with CR LF",
        "Mail enthaelt CR oder LF allein; jede Zeile endet mit CR LF.",
        "The mail has a CR or LF on its own; every line ends with CR LF.",
    )
    TOO_BIG = Words(
        552,
        "5.3.4",
        "Message too big; {limit} octets is the limit",
        "Mail zu gross; erlaubt sind {limit} Oktette.",
        "Mail too big; {limit} octets are allowed.",
    )
    NEEDS_SMTPUTF8 = Words(
        553,
        "5.6.7",
        "<{address}> is not ASCII; announce it: MAIL FROM:<...> SMTPUTF8",
        "<{address}> ist kein ASCII; MAIL FROM:<...> SMTPUTF8 kuendigt das an.",
        "<{address}> is not ASCII; MAIL FROM:<...> SMTPUTF8 announces it.",
    )
    EARLY_TALKER = Words(
        554,
        "5.5.1",
        "{host} had not spoken yet: a client waits for the greeting",
        "Erst spricht der Server: bitte auf die Begruessung warten.",
        "The server speaks first: wait for the greeting.",
    )
    LOOP = Words(
        554,
        "5.4.6",
        "Mail loop: {hops} Received lines, {limit} is the limit",
        "Mail laeuft im Kreis: {hops} Received-Zeilen, {limit} sind erlaubt.",
        "Mail loop: {hops} Received lines, {limit} are allowed.",
    )
    NULL_MX = Words(
        556,
        "5.1.10",
        "<{address}>: {reason}",
        "Die Domain nimmt keine Mail an: <{address}>",
        "The domain takes no mail: <{address}>",
    )
    UNKNOWN_PARAMETER = Words(
        555,
        "5.5.4",
        "{verb} has no parameter {parameter} here; known: {known}",
        "{verb}-Parameter {parameter} wird hier nicht angeboten.",
        "{verb} parameter {parameter} is not offered here.",
    )

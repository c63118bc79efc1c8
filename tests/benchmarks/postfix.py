"""Postfix to Postfix: two instances on loopback, the first relays to the second, which writes to a Maildir.

Both keep mail as Postfix always does: on disk before 250.  Nothing of the system's own Postfix is touched.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from tests.benchmarks.lab_process import FAR_RECIPIENT
from tests.benchmarks.processes import Server, answers, free_ports, running, wait_for

OWNER: Final = "postfix"  # the account that Debian and others give it
MAIL_OWNER: Final = "nobody"

_COMMON: Final = """
compatibility_level = 3.6
myhostname = {host}
queue_directory = {home}/queue
data_directory = {home}/data
maillog_file = {home}/log
maillog_file_prefixes = {home}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
alias_maps =
local_recipient_maps =
disable_dns_lookups = yes
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks, reject
"""
_FIRST: Final = "relayhost = [127.0.0.1]:{next_port}\n"
_LAST: Final = """
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {home}/mail
virtual_mailbox_maps = static:ben/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
"""
# Debian's master.cf with what a relay needs, and nothing in a chroot.
_MASTER: Final = """
127.0.0.1:{port} inet n - n - - smtpd
pickup   unix  n - n 60   1 pickup
cleanup  unix  n - n -    0 cleanup
qmgr     unix  n - n 300  1 qmgr
rewrite  unix  - - n -    - trivial-rewrite
bounce   unix  - - n -    0 bounce
defer    unix  - - n -    0 bounce
trace    unix  - - n -    0 bounce
verify   unix  - - n -    1 verify
flush    unix  n - n 1000? 0 flush
proxymap unix  - - n -    - proxymap
smtp     unix  - - n -    - smtp
relay    unix  - - n -    - smtp
error    unix  - - n -    - error
retry    unix  - - n -    - error
discard  unix  - - n -    - discard
local    unix  - n n -    - local
virtual  unix  - n n -    - virtual
anvil    unix  - - n -    1 anvil
scache   unix  - - n -    1 scache
postlog  unix-dgram n - n - 1 postlogd
"""


def why_not() -> str | None:
    """Why Postfix cannot be measured here, or None when it can."""
    if shutil.which("postconf") is None:
        return "Postfix is not installed"
    if os.geteuid() != 0:
        return "Postfix starts as root only"
    return None


@contextlib.contextmanager
def two_postfixes() -> Iterator[Server]:
    """Two instances; mail goes in at the first, and comes to rest at the second.  CPU time is of both."""
    with tempfile.TemporaryDirectory(prefix="maillab-postfix-") as folder, contextlib.ExitStack() as stack:
        first_port, last_port = free_ports(2)
        home = Path(folder)
        home.chmod(0o755)
        first = _configure(home / "nord", "mail.nord.example", first_port, _FIRST.format(next_port=last_port))
        last = _configure(home / "sued", "mail.sued.example", last_port, _LAST.format(**_mailbox_of(home / "sued")))
        masters = [stack.enter_context(running(_master(folder))) for folder in (last, first)]
        for master, port in zip(masters, (last_port, first_port), strict=True):
            wait_for("Postfix", master, partial(answers, port))
        inbox = home / "sued" / "mail" / "ben" / "new"
        yield Server(
            tuple(master.pid for master in masters),
            first_port,
            lambda: sum(1 for _ in inbox.iterdir()) if inbox.exists() else 0,
        )


def _configure(home: Path, host: str, port: int, own: str) -> Path:
    """Write an instance's files, and let Postfix make its queue; gives the folder of its configuration."""
    configuration = home / "etc"
    for folder in (configuration, home / "queue", home / "data"):
        folder.mkdir(parents=True)
    shutil.chown(home / "data", OWNER)
    (configuration / "main.cf").write_text(_COMMON.format(host=host, home=home) + own)
    (configuration / "master.cf").write_text(_MASTER.format(port=port))
    subprocess.run(["postfix", "-c", str(configuration), "check"], check=True, stderr=subprocess.DEVNULL)
    return configuration


def _mailbox_of(home: Path) -> dict[str, object]:
    """What the last instance has to know of where mail comes to rest; the folder is made."""
    owner = pwd.getpwnam(MAIL_OWNER)
    mail = home / "mail"
    mail.mkdir(parents=True)
    os.chown(mail, owner.pw_uid, owner.pw_gid)
    return {"domain": FAR_RECIPIENT.partition("@")[2], "home": home, "uid": owner.pw_uid, "gid": owner.pw_gid}


def _master(configuration: Path) -> list[str]:
    daemons = subprocess.check_output(["postconf", "-c", str(configuration), "-h", "daemon_directory"], text=True)
    return [f"{daemons.strip()}/master", "-c", str(configuration)]

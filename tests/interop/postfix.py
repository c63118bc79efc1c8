"""A Postfix of the test's own: its configuration, queue and mail in one folder, at an address of its own."""

from __future__ import annotations

import contextlib
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from maillab.network.endpoint import Endpoint
from tests.interop.lab_process import WAIT_SECONDS

ADDRESS: Final = "127.0.0.3"  # not the lab's own, so that a server of the lab tells it by its address
USER: Final = "postfix"  # whom its daemons run as
MAIN: Final = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
mail_owner = {user}
myhostname = {host}
mydomain = {domain}
mydestination =
inet_interfaces = loopback-only
inet_protocols = ipv4
smtp_bind_address = {address}
mynetworks = 127.0.0.0/8
local_header_rewrite_clients =
smtpd_relay_restrictions = permit_mynetworks, reject
alias_maps =
alias_database =
smtp_host_lookup = native
minimal_backoff_time = 1s
maximal_backoff_time = 1s
queue_run_delay = 1s
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = static:everybody/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
"""
MASTER: Final = """\
{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
tlsmgr unix - - n 1000? 1 tlsmgr
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """A configured Postfix; `running` lets it run."""

    def __init__(self, folder: Path, host: str, domain: str, *, within: Sequence[str] = ()) -> None:
        """`within` is what stands before its commands, to run it somewhere else."""
        self._within = within
        self.host = host
        self.domain = domain
        self._folder = folder
        self._account = pwd.getpwnam(USER)
        with socket.socket() as free:
            free.bind((ADDRESS, 0))
            self.smtp = Endpoint(*free.getsockname())

    def configure(self, transports: Mapping[str, Endpoint], **settings: str) -> None:
        """Mail for each domain in `transports` goes there; `settings` are further lines of main.cf."""
        for name in ("config", "data", "mail", "queue"):
            (self._folder / name).mkdir(exist_ok=True)
        for name in ("data", "mail"):
            shutil.chown(self._folder / name, self._account.pw_uid, self._account.pw_gid)
        places = ", ".join(f"{{ {domain} = smtp:[{place.host}]:{place.port} }}" for domain, place in transports.items())
        main = MAIN.format(
            folder=self._folder,
            host=self.host,
            domain=self.domain,
            user=USER,
            uid=self._account.pw_uid,
            gid=self._account.pw_gid,
            address=ADDRESS,
        )
        if places:  # an inline table without rows is none to Postfix
            settings["transport_maps"] = f"inline:{{ {places} }}"
        more = "".join(f"{key} = {value}\n" for key, value in settings.items())
        (self._folder / "config/main.cf").write_text(main + more)
        (self._folder / "config/master.cf").write_text(MASTER.format(port=f"{self.smtp}"))

    def readable(self, octets: bytes) -> Path:
        """A file with `octets` that its daemons can read, whoever else cannot."""
        path = self._folder / "readable.pem"
        path.touch(0o600)
        path.write_bytes(octets)
        shutil.chown(path, self._account.pw_uid)
        return path

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run it while the context lasts: this one, and no other Postfix of the machine."""
        self._say("start")
        try:
            yield
        finally:
            self._say("stop")

    @property
    def log(self) -> str:
        """What it has written down."""
        log = self._folder / "log"
        return log.read_text(errors="replace") if log.exists() else ""

    def mails(self) -> list[bytes]:
        """What it has delivered to anybody in its domain."""
        return [path.read_bytes() for path in sorted((self._folder / "mail/everybody/new").glob("*"))]

    def _say(self, command: str) -> None:
        done = subprocess.run(
            [*self._within, "postfix", "-c", self._folder / "config", command],
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"postfix {command}: {done.stderr}\n{self.log}")


@contextlib.contextmanager
def postfix_folder() -> Iterator[Path]:
    """A folder that Postfix's own user can reach, which pytest's are not."""
    folder = Path(tempfile.mkdtemp(prefix="maillab-postfix-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)

"""A lab whose authority is trusted: started with its page, and asked for its certificate as people do."""

from __future__ import annotations

from pathlib import Path

import attrs

from maillab.network.endpoint import Endpoint
from tests.interop.conftest import StartLab
from tests.interop.lab_process import LabProcess, maillab


@attrs.frozen
class TrustedLab:
    """A running lab, and the file with what `maillab ca` wrote."""

    process: LabProcess
    certificate: Path

    def place(self, host: str, role: str) -> Endpoint:
        """Where `host` listens for `role`: "submission"."""
        ready = next(record for record in self.process.records if record["event"] == "lab.ready")
        return Endpoint.parse(next(server[role] for server in ready["servers"] if server["host"] == host))


async def start_trusted(start_lab: StartLab, lab_file: Path, folder: Path) -> TrustedLab:
    """Run the lab of `lab_file`, and fetch what is to be trusted into `folder`."""
    lab = await start_lab(lab_file, "--web", "127.0.0.1:0")
    ready = await lab.wait_for("lab.ready")
    told = await maillab("ca", "--url", f"http://{ready['web']}")
    assert (told.returncode, told.stderr) == (0, b"")
    certificate = folder / "lab-ca.pem"
    certificate.write_bytes(told.stdout)
    return TrustedLab(lab, certificate)

"""The session at another address, in another network, with a lab of one's own."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.docker.project import PAGE_PORT, Project

LAB = """
[lab]
name = "office"

[[domain]]
name = "office.example"
users = ["eva"]

[[domain]]
name = "sued.example"
users = ["ben"]
"""
ADDRESS = "127.0.0.2"  # what else than 127.0.0.1 is no other machine's business


@pytest.fixture(scope="module")
def session(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Every variable of the compose file says something else; of the PCs there is Ben's."""
    labs = tmp_path_factory.mktemp("labs")
    labs.chmod(0o755)  # pytest's own are for nobody else, and the lab is somebody else
    (labs / "office").mkdir()
    (labs / "office/lab.toml").write_text(LAB, encoding="utf-8")
    session = Project(
        "compose.yaml",
        services=("ben",),
        page_host=ADDRESS,
        MAILLAB_LAB="office",
        MAILLAB_LABS=str(labs),
        MAILLAB_LAN=ADDRESS,
        MAILLAB_NET="10.77",
        MAILLAB_PASSWORD="geheim",
    )
    with session.running():
        yield session


def test_one_variable_publishes_the_page_with_a_password(session: Project) -> None:
    """Elsewhere than on 127.0.0.1 nobody sees it who does not know the password."""
    with httpx.Client(trust_env=False) as client:
        assert client.get(f"http://{ADDRESS}:{PAGE_PORT}/api/lab/lab").status_code == httpx.codes.UNAUTHORIZED
        with pytest.raises(httpx.ConnectError):
            client.get(f"http://127.0.0.1:{PAGE_PORT}/readyz")
    assert session.ask("lab")["lab"] == "office"


def test_one_variable_moves_every_address(session: Project) -> None:
    """The servers', the PCs' and those in DNS."""
    assert [server["smtp"] for server in session.ask("lab")["servers"]] == ["10.77.1.1:25", "10.77.2.1:25"]
    assert session.exec("ben", "dig", "+short", "sued.example") == "10.77.2.1\n"
    assert session.exec("ben", "hostname", "-i").strip() == "10.77.2.10"


def test_a_lab_of_ones_own_is_found_by_its_name(session: Project) -> None:
    """In a folder that one variable names; its mail has a folder of its own in the volume."""
    (ready,) = [record for record in session.records("lab") if record["event"] == "lab.ready"]
    assert [server["host"] for server in ready["servers"]] == ["mail.office.example", "mail.sued.example"]
    assert "lab.db" in session.exec("lab", "ls", "/data/office").split()

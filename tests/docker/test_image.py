"""The image of the lab: small, nobody's root, and it travels in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.docker.conftest import Measure
from tests.docker.project import IMAGE, run

IMAGE_LIMIT_OCTETS = 200_000_000


@pytest.fixture(scope="module")
def image(images: None) -> dict[str, Any]:
    """All that the engine knows of it."""
    (found,) = json.loads(run("docker", "image", "inspect", IMAGE))
    assert isinstance(found, dict)
    return found


def in_image(*words: str) -> str:
    """What a program prints in a container that may do and write nothing."""
    confined = ("--rm", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "none")
    return run("docker", "run", *confined, "--entrypoint", words[0], IMAGE, *words[1:]).decode()


def test_it_is_small(image: dict[str, Any], measure: Measure) -> None:
    """Under 200 MB, as the engine counts them."""
    measure("image", f"{image['Size'] / 1e6:.0f} MB")
    assert image["Size"] < IMAGE_LIMIT_OCTETS


def test_it_says_what_it_is(image: dict[str, Any]) -> None:
    """Its user by number, what it keeps and where, how it is asked for its health, and its labels."""
    config = image["Config"]
    assert config["User"] == "10001:10001"
    assert config["Volumes"] == {"/data": {}}
    assert config["Healthcheck"]["Test"] == ["CMD", "maillab", "health"]
    assert config["Entrypoint"] == ["maillab"]
    assert config["Labels"]["org.opencontainers.image.title"] == "maillab"


def test_nothing_of_its_making_is_left() -> None:
    """Neither pip nor what builds, and no source beside what is installed."""
    left = in_image(
        "sh", "-c", "command -v pip pip3 gcc cc make git hatchling; ls -A /src /root/.cache 2>/dev/null; true"
    )
    assert left == ""


def test_it_runs_where_it_may_write_nowhere_but_in_its_volume() -> None:
    """As somebody without rights, without a network, on a root file system that is read-only."""
    assert "two-schools" in {lab["name"] for lab in json.loads(in_image("maillab", "labs", "--format", "json"))}
    script = "id -u; touch /data/x && echo kept; touch /labs/x /opt/maillab/x /tmp/x 2>&1"
    said = in_image("sh", "-c", f"{script}; true")
    assert said.startswith("10001\nkept\n")
    assert said.count("Read-only file system") == 3


def test_it_travels_in_a_file(images: None, tmp_path: Path) -> None:
    """Saved, removed, and loaded again, it is the same image."""
    tag = "maillab-test:travels"
    run("docker", "tag", IMAGE, tag)
    run("docker", "save", "--output", tmp_path / "maillab.tar", tag)
    run("docker", "rmi", tag)
    assert tag in run("docker", "load", "--input", tmp_path / "maillab.tar").decode()
    one, other = (run("docker", "image", "inspect", "--format", "{{.Id}}", name) for name in (IMAGE, tag))
    run("docker", "rmi", tag)
    assert one == other

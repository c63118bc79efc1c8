"""A container engine, where one is wanted; the images; and what was measured."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.docker.project import IMAGE, Project, run

WANTED_VARIABLE: Final = "DOCKER_TESTS"  # and "yes": they build images, make networks and take minutes
MEASURED: Final = pytest.StashKey[dict[str, str]]()

Measure = Callable[[str, str], None]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get(WANTED_VARIABLE) == "yes":
        return
    here = Path(__file__).parent
    skip = pytest.mark.skip(reason=f"containers are tested with {WANTED_VARIABLE}=yes: see .ci/engine")
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(skip)


@pytest.fixture(scope="session", autouse=True)
def engine() -> None:
    """An engine that answers, and its Compose; their lack is a failure."""
    for words in (["docker", "version"], ["docker", "compose", "version"]):
        try:
            subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", "") or str(error)
            pytest.fail(f"{' '.join(words)}: {said.strip()}; start an engine, or run bash .ci/engine ...")


@pytest.fixture(scope="session")
def images(engine: None) -> None:
    """All images, built from this tree."""
    Project("compose.yaml", "workstations", "postfix").compose("build", "--quiet")


@pytest.fixture(scope="session")
def image_octets(images: None) -> int:
    """The size of the lab's image."""
    return int(run("docker", "image", "inspect", "--format", "{{.Size}}", IMAGE))


@pytest.fixture
def measure(request: pytest.FixtureRequest) -> Measure:
    """Takes a figure, to be told at the end."""
    measured = request.config.stash.setdefault(MEASURED, {})
    return measured.__setitem__


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for what, figure in config.stash.get(MEASURED, {}).items():
        terminalreporter.write_line(f"{what}: {figure}")

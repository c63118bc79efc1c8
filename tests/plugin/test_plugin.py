"""The fixtures as their users meet them: in a project of its own, with maillab installed from its wheel."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PROJECT = Path(__file__).parent / "project"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with maillab in it, installed from a wheel that was built just now."""
    wheels, target = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(REPOSITORY)]
    subprocess.run([*pip, *build], check=True)
    (wheel,) = wheels.glob("maillab-*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(wheel)], check=True)
    return target


def run_suite(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in the project, which sees the installed maillab before any other."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))},
        "PYTHONPATH": str(installed),
        "PYTHONDONTWRITEBYTECODE": "1",
        "COLUMNS": "100",
    }
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(PROJECT), *arguments]
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)


def test_the_project_sees_the_wheel(installed: Path) -> None:
    """What the project's suites run is the installed wheel, with its labs, and not the working tree."""
    code = "import maillab, maillab.lab.load as load; print(maillab.__file__, *load.shipped_labs().values(), sep='\\n')"
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True)
    places = ran.stdout.split()
    assert len(places) >= 3
    assert all(Path(place).is_relative_to(installed) for place in places)


@pytest.mark.parametrize(("suite", "count"), [("test_trio_suite.py", 3), ("test_plain_suite.py", 3)])
def test_a_suite_passes(installed: Path, suite: str, count: int) -> None:
    """A Trio suite and an ordinary one use the fixtures, without a line of configuration."""
    ran = run_suite(installed, suite)
    assert ran.returncode == 0, ran.stdout
    assert f"{count} passed" in ran.stdout


def test_a_plain_suite_needs_no_pytest_trio(installed: Path) -> None:
    """The ordinary fixtures work where pytest-trio is not there, and the Trio fixture says what it needs."""
    ran = run_suite(installed, "-p", "no:trio", "test_plain_suite.py")
    assert ran.returncode == 0, ran.stdout


def test_a_failure_shows_the_ladder(installed: Path) -> None:
    """A test that fails shows the ladder of its mail, or what was said where no mail was accepted."""
    ran = run_suite(installed, "failing_suite.py")
    assert ran.returncode == 1, ran.stdout
    assert "2 failed, 1 error" in ran.stdout
    assert "RCPT TO:<ben@sued.example>" in ran.stdout
    assert "relay.example" in ran.stdout
    assert "no message for ben@sued.example with subject 'Never' within 0.01 s" in ran.stdout
    assert "no message was accepted; the last records:" in ran.stdout


def test_a_lab_that_is_wrong_is_told_in_one_line(installed: Path) -> None:
    """A wrong name in the marker is the test's mistake: it is named, without a line of our own code."""
    ran = run_suite(installed, "failing_suite.py::test_of_no_lab")
    assert ran.returncode == 1, ran.stdout
    assert '"two-shcools" is no lab; did you mean "two-schools"?' in ran.stdout
    assert "load.py" not in ran.stdout

"""A test whose output has a secret in it fails, whoever has written that."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.faults.test_hanging_tests import ENVIRONMENT
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from pathlib import Path

TESTS = """
import logging, os, secrets, subprocess, sys
from pathlib import Path

import pytest

from fanout import auth
from fanout.security.z85 import z85_encode

KEY = secrets.token_bytes(32)
auth.Curve(KEY)
auth.PlainClient("desk7", "a long password")
PEM = Path("key.pem").read_text()
auth.Tls("chain.pem", "key.pem").secrets()

@pytest.mark.parametrize("shown", [repr(KEY), KEY.hex(), z85_encode(KEY), "a long password", PEM])
def test_shows(shown):
    print("this:", shown)

def test_logs():
    logging.getLogger("of a program").warning("the key is %r", KEY)

def test_has_a_child_that_shows():
    subprocess.run([sys.executable, "-c", f"import sys; sys.stderr.write({KEY.hex()!r})"])

@pytest.fixture
def late():
    yield
    os.write(1, b"a long password")

def test_shows_in_the_end(late):
    pass

def test_shows_what_all_may_know(capfd):
    print(repr(KEY))
    assert repr(KEY) in capfd.readouterr().out
    print("desk7", repr(auth.Curve(KEY)), auth.Curve(KEY).public_key, os.getpid())
"""


def test_it_fails_and_is_named(tmp_path: Path) -> None:
    made = "openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost"
    command = [*made.split(), "-keyout", "key.pem", "-out", "chain.pem"]
    subprocess.run(command, cwd=tmp_path, timeout=DEADLINE_S, check=True, capture_output=True)
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["tests.helpers.secrecy"]')
    (tmp_path / "test_shown.py").write_text(TESTS)

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", "-pno:cacheprovider", "test_shown.py"],
        env=ENVIRONMENT,
        cwd=tmp_path,
        timeout=DEADLINE_S,
        check=False,
        capture_output=True,
        text=True,
    )

    lines = done.stdout.splitlines()
    failed = {line.partition("::")[2].partition(" ")[0] for line in lines if line[:6] == "FAILED"}
    assert {name.partition("[")[0] for name in failed} == {
        *("test_shows", "test_logs", "test_has_a_child_that_shows")
    }
    assert "7 failed, 2 passed, 1 error" in lines[-1]
    assert "ERROR test_shown.py::test_shows_in_the_end" in done.stdout

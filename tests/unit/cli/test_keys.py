"""`fanout keys`: a pair in files, and the public key of what is in one; never a secret one."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest
import zmq.auth

from fanout.cli.arguments import OK, USAGE
from fanout.cli.main import main
from fanout.security import curve
from fanout.security.certificates import load_certificate, read_certificate

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"  # of RFC 26
PUBLIC = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """The exit status, and what was printed on both."""
    status = main(["keys", *arguments])
    return status, *capsys.readouterr()


def test_a_pair_is_made_for_a_user(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = said(capsys, "desk7", "--directory", str(tmp_path))
    public, secret = tmp_path / "desk7.key", tmp_path / "desk7.key_secret"
    assert status == OK
    assert stat.S_IMODE(os.stat(secret).st_mode) == 0o600
    both = zmq.auth.load_certificate(secret)
    assert both[1] is not None
    assert zmq.curve_public(both[1]) == both[0]
    assert out == f"{both[0].decode()}\n"
    assert err == f"made {public} and, to be kept secret, {secret}\n"
    assert read_certificate(public).metadata == {"name": "desk7"}
    assert read_certificate(public).secret is None


def test_here_unless_it_is_said_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said(capsys, "feed")[0] == OK
    assert sorted(os.listdir()) == ["feed.key", "feed.key_secret"]


@pytest.mark.parametrize("there", ["desk7.key", "desk7.key_secret"])
def test_nothing_is_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], there: str
) -> None:
    (tmp_path / there).write_text("mine")
    status, out, err = said(capsys, "desk7", "--directory", str(tmp_path))
    assert (status, out) == (USAGE, "")
    assert err == f"fanout keys: {tmp_path / there}: File exists\n"
    assert os.listdir(tmp_path) == [there]
    assert (tmp_path / there).read_text() == "mine"


def test_the_public_key_of_each_kind_of_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = said(capsys, "ours", "--directory", str(tmp_path))[1]
    zmq.auth.create_certificates(tmp_path, "theirs")
    theirs = load_certificate(tmp_path / "theirs.key")[0].decode()
    (tmp_path / "bare").write_text(f"# of the feed\n{SECRET}\n")
    for file, key in (
        ("ours.key", ours.strip()),
        ("ours.key_secret", ours.strip()),
        ("theirs.key", theirs),
        ("theirs.key_secret", theirs),
        ("bare", PUBLIC),
    ):
        assert said(capsys, "--show", str(tmp_path / file)) == (OK, f"{key}\n", "")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "No such file"),
        ("", "no certificate of CURVE"),
        (SECRET[:-1], "no certificate of CURVE"),
        (f"{SECRET}\n{SECRET}\n", "no certificate of CURVE"),
    ],
)
def test_what_has_no_key_is_named_and_not_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, why: str
) -> None:
    if text is not None:
        (tmp_path / "file").write_text(text)
    status, out, err = said(capsys, "--show", str(tmp_path / "file"))
    assert (status, out) == (USAGE, "")
    assert err.startswith(f"fanout keys: {tmp_path / 'file'}: ")
    assert why in err
    assert SECRET[:-1] not in err


@pytest.mark.parametrize("name", ["", "a/b", "../a", ".a", " a", "a\n", "a\udcff"])
def test_a_name_is_that_of_a_file_and_of_a_user(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    status, out, err = said(capsys, name, "--directory", str(tmp_path))
    assert (status, out) == (USAGE, "")
    assert "NAME is that of a file" in err
    assert not os.listdir(tmp_path)


def test_what_does_not_go_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "--show", "x", "--directory", "y")[0] == USAGE
    status, _, err = said(capsys, "a", "--directory", str(tmp_path / "nowhere"))
    assert status == USAGE
    assert "No such file" in err
    for line in ([], ["a", "--show", "x"]):
        with pytest.raises(SystemExit) as stop:
            main(["keys", *line])
        assert stop.value.code == USAGE


def test_without_pynacl_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> None:
        raise ImportError

    (tmp_path / "bare").write_text(SECRET)
    monkeypatch.setattr(curve, "Sodium", missing)
    for arguments in (["a", "--directory", str(tmp_path)], ["--show", str(tmp_path / "bare")]):
        status, out, err = said(capsys, *arguments)
        assert (status, out) == (USAGE, "")
        assert "pip install 'fanout-zmq[curve]'" in err
    assert os.listdir(tmp_path) == ["bare"]

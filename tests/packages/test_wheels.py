"""Wheel files that must not be staged."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from snowpipe_ml.errors import PackageError
from snowpipe_ml.packages.wheels import fetch, inspect, sha256_of
from tests.wheels import make_wheel


def test_what_a_wheel_says_of_itself(tmp_path: Path) -> None:
    path = make_wheel(
        tmp_path,
        "acme",
        files={"acme/sub/__init__.py": "", "single.py": "", "acme/other.py": ""},
        requires=["numpy>=1", "pytest; extra == 'dev'", "old; python_version < '3.9'"],
    )
    info = inspect(path, "3.11")
    assert (info.pure, info.modules, info.requires) == (
        True,
        ("acme.other", "acme.sub", "single"),
        ("numpy>=1",),
    )


def _with_member(path: Path, name: str, mode: int = 0o644) -> Path:
    with zipfile.ZipFile(path, "a") as archive:
        member = zipfile.ZipInfo(name)
        member.external_attr = mode << 16
        archive.writestr(member, "x")
    return path


@pytest.mark.parametrize(
    ("member", "mode", "said"),
    [
        ("../outside.py", 0o644, "outside of its folder"),
        ("/etc/outside", 0o644, "outside of its folder"),
        ("acme/../../outside", 0o644, "outside of its folder"),
        ("acme/link", 0o120777, "a link"),
    ],
)
def test_members_that_would_do_harm(tmp_path: Path, member: str, mode: int, said: str) -> None:
    with pytest.raises(PackageError, match=said):
        inspect(_with_member(make_wheel(tmp_path, "acme"), member, mode), "3.11")


def test_damaged_wheels(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, "acme", files={"acme/__init__.py": "VALUE = 12345\n"})
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"VALUE = 12345", b"VALUE = 99999"))
    with pytest.raises(PackageError, match=r"acme-1.0-py3-none-any.whl is damaged"):
        inspect(path, "3.11")
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PackageError, match="is damaged"):
        inspect(path, "3.11")
    path.write_bytes(b"no wheel")
    with pytest.raises(PackageError, match="is damaged"):
        inspect(path, "3.11")


def test_a_file_that_is_not_the_one_that_was_locked(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, "acme")
    wanted = {path.name: ("acme", "1.0", sha256_of(path))}
    assert fetch(wanted, python="3.11", folder=tmp_path) == {path.name: path}
    with pytest.raises(PackageError, match="is not the file that was locked"):
        fetch({path.name: ("acme", "1.0", "0" * 64)}, python="3.11", folder=tmp_path)
    with pytest.raises(PackageError, match="is not in"):
        fetch({"gone-1.0-py3-none-any.whl": ("gone", "1.0", "0" * 64)}, python="3.11", folder=tmp_path)


def test_an_index_that_has_it_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(PackageError, match="pip cannot download gone-1.0-py3-none-any.whl"):
        fetch({"gone-1.0-py3-none-any.whl": ("gone", "1.0", "0" * 64)}, python="3.11")
    assert not list((tmp_path / "snowpipe-ml" / "wheels").iterdir())

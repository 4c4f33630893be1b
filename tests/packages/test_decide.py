"""The source of each distribution, resolved by uv from small real wheels in a folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from snowpipe_ml.errors import PackageError
from snowpipe_ml.packages.decide import lock_import
from snowpipe_ml.packages.lock import ImportLock, lock_text, problems, read_lock, write_lock
from snowpipe_ml.packages.resolve import resolve
from tests.wheels import make_wheel

NATIVE = "cp311-cp311-manylinux_2_28_x86_64"


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """``acme.top`` -> ``acme-core`` -> a native package, with a marker and an extra."""
    folder = tmp_path / "wheels"
    make_wheel(
        folder,
        "acme.top",
        files={"acme/top/__init__.py": "from acme.core import VALUE\n"},
        requires=["acme-core>=1", "pandas", "onlywin; sys_platform == 'win32'", "extra-dep; extra == 'more'"],
    )
    make_wheel(
        folder, "acme-core", "1.5", files={"acme/core/__init__.py": "VALUE = 5\n"}, requires=["fastmath"]
    )
    make_wheel(
        folder, "fastmath", tag=NATIVE, files={"fastmath/_c.cpython-311-x86_64-linux-gnu.so": "native"}
    )
    make_wheel(folder, "extra-dep")
    return folder


def lock(wheels: Path, *requirements: str, **options: object) -> ImportLock:
    arguments = {
        "python": "3.11",
        "packages": ["pandas", "fastmath"],
        "listed": "ml",
        "folder": wheels,
        **options,
    }
    return lock_import(list(requirements) or ["acme.top"], **arguments)


def test_the_closure_is_for_snowflakes_platform_and_every_decision_has_a_reason(wheels: Path) -> None:
    found = lock(wheels, "acme-top[more]").distributions
    assert {name: (d.as_, d.version) for name, d in found.items()} == {
        "acme-top": ("wheel", "1.0"),
        "acme-core": ("wheel", "1.5"),
        "extra-dep": ("wheel", "1.0"),
    }
    assert found["acme-top"].modules == ("acme.top",)
    assert found["acme-core"].why == "pure Python; acme-top -> acme-core"
    assert found["acme-top"].requires == ("acme-core>=1", "pandas")


def test_native_code_is_refused_by_name_with_the_chain_that_needs_it(wheels: Path) -> None:
    with pytest.raises(PackageError) as raised:
        lock(wheels, packages=["pandas"])
    assert "fastmath 1.0, required by: acme-top -> acme-core -> fastmath" in str(raised.value)
    assert "`packages.ml`" in str(raised.value)
    assert "artifact_repository" in str(raised.value)
    allowed = lock(wheels, packages=["pandas"], native=["fastmath"]).distributions["fastmath"]
    assert allowed.as_ == "wheel"
    assert allowed.file == f"fastmath-1.0-{NATIVE}.whl"


def test_a_wheel_that_says_it_is_pure_and_is_not(wheels: Path) -> None:
    make_wheel(wheels, "liar", files={"liar/__init__.py": "", "liar/_c.so": "native"})
    with pytest.raises(
        PackageError, match=r"liar-1.0-py3-none-any.whl is tagged as pure Python but contains native code"
    ):
        lock(wheels, "liar")


def test_what_the_channel_has_is_preferred(wheels: Path) -> None:
    found = lock(wheels, packages=["pandas"], channel={"fastmath": ["0.9", "1.0"], "acme-core": ["1.5"]})
    assert found.declared_here == ["acme-core==1.5", "fastmath==1.0"]
    # A version that conflicts with the wheels is reported here, and not first in the function.
    with pytest.raises(PackageError, match="no set of wheels fits"):
        lock(wheels, packages=["pandas"], channel={"acme-core": ["0.1"]})


def test_nothing_fits(wheels: Path) -> None:
    with pytest.raises(PackageError, match="no set of wheels fits acme.top>=2"):
        lock(wheels, "acme.top>=2")


def test_an_index_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(PackageError, match="the package index cannot be reached"):
        resolve(["no-such-distribution-anywhere"], python="3.11")


def check(found: ImportLock | None, packages: list[str], requirements: list[str] | None = None) -> list[str]:
    return problems(
        found, requirements=requirements or ["acme.top"], python="3.11", packages=packages, listed="ml"
    )


def test_a_lock_is_checked_without_a_network(wheels: Path, tmp_path: Path) -> None:
    made = lock(wheels)
    file = tmp_path / "spec.lock.yaml"
    write_lock(file, {"acme": made})
    assert read_lock(file) == {"acme": made}
    assert lock_text(read_lock(file)) == file.read_text()
    assert check(made, ["pandas", "fastmath"]) == []
    assert check(None, []) == ["its requirements are not locked: run 'snowpipe-ml packages SPEC --lock'"]
    assert "the spec requires acme.top>=3" in check(made, ["pandas", "fastmath"], ["acme.top>=3"])[0]


def test_what_is_gone_is_named_with_the_chain_that_needs_it(wheels: Path) -> None:
    made = lock(wheels)
    undeclared = check(made, ["pandas"])
    assert len(undeclared) == 1
    assert "fastmath" in undeclared[0]
    assert "acme-top -> acme-core -> fastmath" in undeclared[0]
    fewer = {name: d for name, d in made.distributions.items() if name != "acme-core"}
    gone = check(dataclasses.replace(made, distributions=fewer), ["pandas", "fastmath"])
    assert gone[0].startswith(
        "acme-core is neither locked nor declared, and is needed: acme-top -> acme-core"
    )


def test_a_lock_file_that_is_none(tmp_path: Path) -> None:
    for text in ("imports: {a: 1}", "[", "version: 99\nimports: {}"):
        (tmp_path / "x.lock.yaml").write_text(text)
        with pytest.raises(PackageError, match="x.lock.yaml"):
            read_lock(tmp_path / "x.lock.yaml")

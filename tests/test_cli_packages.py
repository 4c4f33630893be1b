"""The command ``packages``, tested with a folder of small wheels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from snowpipe_ml.cli.main import main
from tests.wheels import make_wheel

SPEC = """
name: acme
targets:
  local: {type: local, path: .snowpipe}
  prod: {type: snowflake, connection: c, database: D}
stages: {code: {}}
packages: {ml: [pandas]}
imports:
  acme: {stage: code, requirements: [acme.top], packages: ml, find_links: wheels}
steps:
  one: {type: transform, query: SELECT 1 AS X, writes: one}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    make_wheel(
        tmp_path / "wheels", "acme.top", files={"acme/top/__init__.py": ""}, requires=["acme-core", "pandas"]
    )
    make_wheel(tmp_path / "wheels", "acme-core", "1.0", files={"acme/core/__init__.py": ""})
    (tmp_path / "spec.yaml").write_text(SPEC)
    return tmp_path / "spec.yaml"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_lock_show_check(spec: Path) -> None:
    assert "not locked: run 'snowpipe-ml packages SPEC --lock'" in invoke("validate", spec).output
    assert invoke("packages", spec).exit_code == 0
    assert not spec.with_name("spec.lock.yaml").exists()
    assert invoke("packages", spec, "--lock").exit_code == 0
    assert invoke("validate", spec).exit_code == 0
    shown = json.loads(invoke("packages", spec, "acme", "--json").output)["acme"]
    assert [(row["distribution"], row["from"]) for row in shown] == [
        ("acme-core", "wheel (wheels)"),
        ("acme-top", "wheel (wheels)"),
    ]
    assert invoke("packages", spec, "--check").exit_code == 0
    make_wheel(spec.parent / "wheels", "acme-core", "1.1", files={"acme/core/__init__.py": ""})
    drifted = invoke("packages", spec, "--check")
    assert drifted.exit_code == 1
    assert "imports.acme: acme-core: 1.0 -> 1.1" in drifted.output
    assert (
        "acme-core: 1.0" in invoke("packages", spec).output.replace("│", " ")
        or "1.0" in invoke("packages", spec).output
    )


def test_nothing_is_uploaded_if_a_wheel_is_not_as_it_was_locked(spec: Path) -> None:
    from snowpipe_ml import Pipeline

    assert invoke("packages", spec, "--lock").exit_code == 0
    make_wheel(
        spec.parent / "wheels", "acme-core", "1.0", files={"acme/core/__init__.py": "CHANGED = True\n"}
    )
    pipeline = Pipeline.from_yaml(spec)
    result = pipeline.run()
    assert "acme_core-1.0-py3-none-any.whl is not the file that was locked" in str(
        result.steps["imports.acme"].error
    )
    session = pipeline.session()
    assert session.sql("LIST @CODE").collect() == []
    session.close()


def test_what_the_target_has_in_its_channel(spec: Path) -> None:
    (spec.parent / "channel.csv").write_text("PACKAGE_NAME,VERSION\nacme-core,1.0\n")
    shown = json.loads(invoke("packages", spec, "--channel", spec.parent / "channel.csv", "--json").output)[
        "acme"
    ]
    assert ("acme-core", "channel") in [(row["distribution"], row["from"]) for row in shown]
    assert invoke("packages", spec, "--channel", "target", "--json").exit_code == 0
    missing = invoke("packages", spec, "--channel", "nowhere.csv")
    assert missing.exit_code == 1
    assert "is not a package list of a channel" in missing.output


def test_mistakes(spec: Path) -> None:
    assert "did you mean 'acme'?" in invoke("packages", spec, "acne").output
    spec.write_text(SPEC.replace("acme.top]", "'acme top!']"))
    bad = invoke("packages", spec)
    assert bad.exit_code in (1, 2)
    assert "acme top!" in bad.output
    assert "Traceback" not in bad.output

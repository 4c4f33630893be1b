"""The dashboard as a Streamlit object: its SQL, its files, and the staged copy at work."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from snowpipe_ml import Pipeline
from snowpipe_ml.cli.main import main
from snowpipe_ml.dashboard.deployment import DashboardApp, deploy, draw, drop
from snowpipe_ml.engine.export import deployment as tasks
from snowpipe_ml.engine.export import graph
from snowpipe_ml.errors import SpecError, UsageError
from snowpipe_ml.local.server.http import WarehouseServer
from tests.accounts import Account
from tests.conftest import ask, write_spec

PROD = """\
name: shops
description: The sales of some shops
vars: {days: 70}
targets:
  prod: {type: snowflake, connection: c, database: SALES, schema: ML, warehouse: run_wh}
steps: {one: {type: transform, query: "SELECT {{ vars.days | literal }} AS X", writes: one}}
"""

# The staged script, where the staged copy of the package is the only one, and Snowpark has the session of an account.
_APP_TEST = """
import json
import sys
from pathlib import Path

from snowflake.snowpark import Session
from streamlit.testing.v1 import AppTest

session = Session.builder.configs(json.loads(sys.argv[2])).create()
app = AppTest.from_file(str(Path(sys.argv[1]) / "streamlit_app.py"), default_timeout=120).run()
assert not app.exception, app.exception
import snowpipe_ml

shown = {
    "titles": [title.value for title in app.title],
    "sidebar": app.sidebar.markdown[0].value,
    "chosen": app.selectbox(key="series").value,
    "metrics": {metric.label: metric.value for metric in app.metric},
    "package": snowpipe_ml.__file__,
}
print(json.dumps(shown))
session.close()
"""


testing = pytest.importorskip("streamlit.testing.v1")
AppTest = testing.AppTest


def written(tmp_path: Path, text: str = PROD) -> Pipeline:
    path = tmp_path / "shops.yaml"
    path.write_text(text)
    return Pipeline.from_yaml(path)


def normalized(app: DashboardApp) -> str:
    text = "".join(f"{statement.text};\n" for statement in [*app.statements(), *app.drop_statements()])
    return re.sub(r"(?<=[-/])[0-9a-f]{16}(?=[./])", "HASH", text)


def test_its_statements_are_as_snowflake_documents_them(
    tmp_path: Path, golden: Callable[[str, str], None]
) -> None:
    """Read against the pages CREATE STREAMLIT, ALTER STREAMLIT and DROP STREAMLIT; see docs/snowflake-sql.md."""
    in_warehouse = draw(written(tmp_path))
    pool = "dashboard: {warehouse: small_wh, compute_pool: pool}\n"
    in_container = draw(written(tmp_path, PROD + pool))
    golden(
        "dashboard.sql",
        f"-- in a warehouse\n{normalized(in_warehouse)}-- in a container\n{normalized(in_container)}",
    )


def test_the_packages_are_those_of_the_engine_and_of_the_dashboard(tmp_path: Path) -> None:
    environment = yaml.safe_load(draw(written(tmp_path)).files["environment.yml"])
    assert environment["channels"] == ["snowflake"]
    listed = environment["dependencies"]
    assert {"python=3.11", "pandas=2.*", "altair=6.*", "networkx", "pydantic=2.*"} <= {*listed}
    assert not {"click", "rich", "isal", "duckdb"} & {re.split("[=<>]", one)[0] for one in listed}
    pool = "dashboard: {compute_pool: pool}\n"
    required = draw(written(tmp_path, PROD + pool)).files["requirements.txt"].decode().splitlines()
    assert "pandas==2.*" in required
    assert "streamlit[snowflake]>=1.52,<2" in required


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        (", warehouse: run_wh", "", UsageError, r"set dashboard\.warehouse or targets\.prod\.warehouse"),
        ("connection: c", 'connection: "{{ env.PATH }}"', SpecError, "has no environment variable PATH"),
    ],
)
def test_what_cannot_be_deployed_is_refused(
    tmp_path: Path, old: str, new: str, error: type[Exception], message: str
) -> None:
    assert old in PROD
    with pytest.raises(error, match=message):
        draw(written(tmp_path, PROD.replace(old, new)))


def test_no_secret_is_staged(tmp_path: Path) -> None:
    pipeline = written(tmp_path, PROD.replace("vars: {days: 70}", "vars: {days: 70, api_token: ''}"))
    with pytest.raises(UsageError, match="api_token would be a secret"):
        draw(Pipeline.from_yaml(pipeline.path, {"api_token": "x"}))


def test_it_is_created_again_with_its_grants_and_dropped(tmp_path: Path) -> None:
    pipeline = Pipeline.from_yaml(
        write_spec(tmp_path, "steps: {one: {type: transform, query: SELECT 1 AS X, writes: one}}\n")
    )
    said: list[str] = []
    app = draw(pipeline)
    deploy(app, said.append)
    assert [line.split(" (")[0].split("-")[0] for line in said[:4]] == [
        "staged streamlit_app.py",
        "staged environment.yml",
        "staged engine",
        "staged spec",
    ]
    ask(pipeline, "CREATE ROLE VIEWER")
    ask(pipeline, "GRANT USAGE ON STREAMLIT DEMO_DASHBOARD TO ROLE VIEWER")
    said.clear()
    deploy(app, said.append)
    assert said == [f"deployed {app.name.sql}: open it in Snowsight, under Projects, Streamlit"]
    grants = ask(pipeline, "SHOW GRANTS ON STREAMLIT DEMO_DASHBOARD")
    assert ("USAGE", "VIEWER") in {(row[1], row[5]) for row in grants}, grants
    (shown,) = ask(pipeline, "DESCRIBE STREAMLIT DEMO_DASHBOARD")
    assert str(shown[2]) == app.place.text
    drop(app)
    assert ask(pipeline, "SHOW STREAMLITS") == []
    assert ask(pipeline, "SHOW STAGES LIKE 'DEMO_DASHBOARD_FILES'") == []


@pytest.mark.slow
def test_the_staged_copy_shows_the_forecasts(copied: Path, tmp_path: Path) -> None:
    app = draw(Pipeline.from_yaml(copied))
    folder = tmp_path / "app"
    folder.mkdir()
    for name, data in app.files.items():
        (folder / name).write_bytes(data)
    with zipfile.ZipFile(next(folder.glob("engine-*.zip"))) as archive:
        names = archive.namelist()
    assert "snowpipe_ml/dashboard/app.py" in names
    assert not any(name.startswith(("snowpipe_ml/cli/", "snowpipe_ml/local/core/")) for name in names)
    script = tmp_path / "run.py"
    script.write_text(_APP_TEST)
    server = WarehouseServer(copied.parent / "warehouse", 0, Account.token, "DEMO")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        entry = dict(line.split(" = ", 1) for line in server.entry.splitlines()[1:])
        parameters = {key: str(json.loads(value)) for key, value in entry.items()}
        done = subprocess.run(
            [sys.executable, "-P", "-W", "ignore", script, folder, json.dumps(parameters)],
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
            cwd=tmp_path,
            env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        )
    finally:
        server.close()
        thread.join()
    assert done.returncode == 0, done.stdout + done.stderr
    shown = json.loads(done.stdout.splitlines()[-1])
    assert shown["titles"] == ["Forecast"]
    assert shown["sidebar"] == "**demo**, target local"
    assert "engine-" in shown["package"]
    assert shown["chosen"] == "s4"
    assert shown["metrics"]["Model"] == "ridge"


def run_it(spec: str, warehouse: str) -> None:
    """The script of the page Run it, with the session of Snowflake."""
    from pathlib import Path

    from snowpipe_ml import local_session
    from snowpipe_ml.dashboard.cached import look_again
    from snowpipe_ml.dashboard.data.source import open_source
    from snowpipe_ml.dashboard.views import run_it

    look_again()
    session = local_session(warehouse, database="DEMO")
    run_it.show(open_source(Path(spec), connect=lambda: session.connection), None)


def test_in_snowflake_the_task_graph_is_started(tmp_path: Path) -> None:
    path = write_spec(
        tmp_path,
        "dashboard: {can_run: true}\nschedule: {cron: '0 6 2 * *'}\n"
        'steps: {one: {type: transform, query: "SELECT {{ run.date | literal }}::VARCHAR AS DAY", writes: one}}\n',
    )
    pipeline = Pipeline.from_yaml(path)
    with closing(pipeline.session()):
        app = AppTest.from_function(run_it, args=(str(path), str(tmp_path / "warehouse")), default_timeout=60)
        button = "FormSubmitter:tasks-Start the task graph"
        app.run().button(key=button).click().run()
        assert "there is no task DEMO.PUBLIC.DEMO" in app.error[0].value
        tasks.deploy(graph.draw(pipeline))
        app.date_input(key="run date").set_value(date(2022, 5, 31))
        app.button(key=button).click().run()
        assert not app.exception
        assert "DEMO.PUBLIC.DEMO is started" in app.success[0].value
        assert ask(pipeline, "SELECT DAY FROM ONE") == [("2022-05-31",)]


def test_the_command_prints_deploys_and_drops(tmp_path: Path) -> None:
    path = write_spec(tmp_path, "steps: {one: {type: transform, query: SELECT 1 AS X, writes: one}}\n")
    printed = CliRunner().invoke(main, ["dashboard", str(path), "--sql"])
    assert printed.exit_code == 0, printed.output
    assert "CREATE OR REPLACE STREAMLIT DEMO.PUBLIC.DEMO_DASHBOARD FROM" in printed.output
    for action, told in (("--deploy", "deployed DEMO.PUBLIC.DEMO_DASHBOARD"), ("--drop", "dropped DEMO")):
        done = CliRunner().invoke(main, ["dashboard", str(path), action])
        assert done.exit_code == 0, done.output
        assert told in done.output

"""Thirty-four secrets in as many places: none is in any output, log, report or file that is left behind."""

from __future__ import annotations

import base64
import gzip
import html
import http.client
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import duckdb
import pytest

from snowpipe_ml.text.redaction import STARS
from tests import forked
from tests.canaries import Canary, contents, found_in

AWKWARD = " '\"\\<&>/%{é"
CANARIES = (
    Canary(1, "variable of the spec", "`vars: {api_token: ...}`"),
    Canary(2, "variable below the name of a secret", "`vars: {login: {password: ...}}`", AWKWARD),
    Canary(3, "list of secrets, also as items of `foreach`", "`vars: {secrets: [...]}`", " +"),
    Canary(4, "variable of a target", "`targets: {local: {vars: {target_token: ...}}}`"),
    Canary(5, "variable of the command line", "`--var partner_secret=...`", "'/"),
    Canary(6, "password of a URL of the command line", "`--var feed=http://user:...@host`", "@/"),
    Canary(7, "signature of an Azure URL", "`vars: {azure: 'http://host/x?sig=...'}`", "/+="),
    Canary(8, "signature of an Amazon URL", "`vars: {amazon: 'http://host/x?X-Amz-Signature=...'}`"),
    Canary(9, "bearer header", "`vars: {header: 'Authorization: Bearer ...'}`", "._-"),
    Canary(10, "basic header", "`vars: {basic: 'Authorization: Basic ...'}`", "+é"),
    Canary(11, "private key", "`vars: {pem: '-----BEGIN PRIVATE KEY-----...'}`", "\n    "),
    Canary(12, "text that YAML writes on two lines", "`vars: {wrapped_password: ...}`"),
    Canary(13, "connection string", "`vars: {storage: 'AccountName=x;AccountKey=...'}`", "/+"),
    Canary(14, "environment variable", "`{{ env.API_TOKEN | literal }}` in a query", AWKWARD),
    Canary(15, "password of a URL in the environment", "`from: '{{ env.TRIPS_URL }}'`", "@#"),
    Canary(16, "token of a URL in the environment", "`from: '{{ env.DATA_URL }}'`", "/="),
    Canary(17, "argument of a hook", "`on_failure: [{command: [..., '{{ env.HOOK_TOKEN }}']}]`", AWKWARD),
    Canary(18, "password of a URL in a step", "`from: 'http://user:...@host'`"),
    Canary(19, "signature in a file name at a URL", "`url_file: '{month}.csv?sig=...'`"),
    Canary(20, "URL in a query", "`query: SELECT 'http://user:...@host'`"),
    Canary(21, "comment in a query", "`query: SELECT 1 -- Authorization: Bearer ...`"),
    Canary(22, "password of a connection", "`password` in `connections.toml`", "\"'"),
    Canary(23, "token of a connection", "`token` in `connections.toml`"),
    Canary(24, "passphrase of a key", "`private_key_passphrase` in `connections.toml`", " "),
    Canary(25, "error of a Python function", "`raise ValueError(secret)` in a function", AWKWARD),
    Canary(26, "output of a Python function that dies", "`print(secret); os._exit(3)` in a function", " '"),
    Canary(27, "collector of OpenLineage", "`--openlineage http://user:...@host?api_key=...`"),
    Canary(28, "package index", "`UV_DEFAULT_INDEX=http://user:...@host`"),
    Canary(29, "requests to `serve`", "`GET /x?token=...`, a header, and a login with a password"),
    Canary(30, "JSON of credentials", "`GOOGLE_SETTINGS='{\"client_secret\": ...}'`", '"\\'),
    Canary(31, "statement of the command line", "`snowpipe-ml sql SPEC \"... PASSWORD='...'\"`"),
    Canary(
        32, "secret that SQL changes", "`UPPER`, `LOWER`, `BASE64_ENCODE`, `HEX_ENCODE`, line breaks", "+/ '"
    ),
    Canary(33, "Python file beside the spec", "`raise ValueError(secret)` in a generator", AWKWARD),
    Canary(34, "unit test", "`tests: {one: {vars: {api_token: ...}}}`"),
)
BY = {canary.number: canary for canary in CANARIES}
HOST = "127.0.0.1:9"  # nothing listens there
LOGGED = """\
import logging, sys
logging.basicConfig(level=logging.DEBUG, filename=sys.argv.pop(1), filemode="a", force=True)
from snowpipe_ml.cli.main import main
main()
"""


def _json(number: int) -> str:
    return json.dumps(BY[number].value, ensure_ascii=False)


def _url(number: int) -> str:
    return quote(BY[number].value, safe="")


WRAPPED = '"' + "\\\n      ".join(BY[12].halves) + '"'
BASIC = base64.b64encode(f"robin:{BY[10].value}".encode()).decode()
SPEC = f"""\
name: birds
default_target: local
targets:
  local: {{type: local, path: warehouse, database: BIRDS, vars: {{target_token: {_json(4)}}}}}
  prod: {{type: snowflake, connection: birds, database: BIRDS, schema: ML}}
vars:
  api_token: {_json(1)}
  login: {{user: robin, password: {_json(2)}}}
  secrets: [{_json(3)}]
  target_token: none
  partner_secret: none
  feed: none
  azure: "http://{HOST}/c/x.csv?sv=2022-11-02&sig={_url(7)}&sp=r"
  amazon: "http://{HOST}/x.csv?X-Amz-Date=1&X-Amz-Signature={_url(8)}"
  header: "Authorization: Bearer {BY[9].value}"
  basic: "Authorization: Basic {BASIC}"
  pem: |
    -----BEGIN PRIVATE KEY-----
    {BY[11].value}
    -----END PRIVATE KEY-----
  wrapped_password: {WRAPPED}
  storage: "AccountName=birds;AccountKey={BY[13].value};EndpointSuffix=x"
on_failure:
  - command: [python, -c, "import sys; sys.exit('no entry: ' + sys.argv[1])", "{{{{ env.HOOK_TOKEN }}}}"]
  - command: [python, -c, "import sys; sys.exit('no entry: ' + sys.argv[1] + '.' * 490)", "{{{{ env.HOOK_TOKEN }}}}"]
stages: {{s: {{}}}}
tests:
  one:
    vars: {{api_token: {_json(34)}}}
    expect: {{u_token: [{{X: 1}}]}}
steps:
  days: {{type: transform, query: "SELECT DATEADD(day, SEQ4(), '2024-01-01'::DATE) AS DAY, 'a' AS PLACE, SEQ4() AS N FROM TABLE(GENERATOR(ROWCOUNT => 40))", writes: days}}
  fanned: {{type: transform, foreach: "{{{{ vars.secrets }}}}", query: "SELECT CAST({{{{ item | literal }}}} AS NUMBER) AS X", writes: f}}
  sql_url: {{type: transform, query: "SELECT CAST('http://bob:{BY[20].value}@{HOST}/' AS NUMBER) AS X", writes: w1}}
  sql_comment: {{type: transform, query: "SELECT CAST('x' AS NUMBER) AS X -- Authorization: Bearer {BY[21].value}", writes: w2}}
  from_env: {{type: extract, from: "{{{{ env.TRIPS_URL }}}}", url_file: "{{month}}.zip", months: ["2022-01"], into: "@s/a", layouts: {{new: {{columns: [a]}}}}, retries: 0}}
  from_data: {{type: extract, from: "{{{{ env.DATA_URL }}}}", url_file: "{{month}}.zip", months: ["2022-01"], into: "@s/b", layouts: {{new: {{columns: [a]}}}}, retries: 0}}
  from_url: {{type: extract, from: "http://robin:{BY[18].value}@{HOST}/trips", url_file: "{{month}}.csv?sig={BY[19].value}", months: ["2022-01"], into: "@s/c", layouts: {{new: {{columns: [a]}}}}, retries: 0}}
  generated: {{type: extract, from: sample, generator: "birds.py:write", into: "@s/d", layouts: {{new: {{columns: [a]}}}}, retries: 0}}
"""
CAST = {
    "token": "{{ vars.api_token | literal }}",
    "login": "{{ vars.login.password | literal }}",
    "target": "{{ vars.target_token | literal }}",
    "partner": "{{ vars.partner_secret | literal }}",
    "feed": "{{ vars.feed | literal }}",
    "azure": "{{ vars.azure | literal }}",
    "azure_part": "REPLACE(SPLIT_PART(SPLIT_PART({{ vars.azure | literal }}, 'sig=', 2), '&', 1), '%2F', '/')",
    "amazon": "SPLIT_PART({{ vars.amazon | literal }}, 'ture=', 2)",
    "header": "SPLIT_PART({{ vars.header | literal }}, ' ', 3)",
    "basic": "BASE64_DECODE_STRING(SPLIT_PART({{ vars.basic | literal }}, ' ', 3))",
    "pem": "{{ vars.pem | literal }}",
    "pem_line": "TRIM(SPLIT_PART({{ vars.pem | literal }}, CHR(10), 2))",
    "wrapped": "{{ vars.wrapped_password | literal }}",
    "storage": "SPLIT_PART({{ vars.storage | literal }}, ';', 2)",
    "environment": "{{ env.API_TOKEN | literal }}",
    "google": "PARSE_JSON({{ env.GOOGLE_SETTINGS | literal }}):client_secret::VARCHAR",
    "upper": "UPPER({{ env.CHANGED_TOKEN | literal }})",
    "lower": "LOWER({{ env.CHANGED_TOKEN | literal }})",
    "in_base64": "BASE64_ENCODE({{ env.CHANGED_TOKEN | literal }})",
    "in_base64_1": "BASE64_ENCODE('a' || {{ env.CHANGED_TOKEN | literal }})",
    "in_base64_2": "BASE64_ENCODE('ab' || {{ env.CHANGED_TOKEN | literal }} || 'c')",
    "in_base64_lines": "BASE64_ENCODE('user:' || {{ env.CHANGED_TOKEN | literal }}, 8)",
    "in_hex": "HEX_ENCODE({{ env.CHANGED_TOKEN | literal }})",
    "in_json": "TO_JSON(OBJECT_CONSTRUCT('a', TO_JSON(TO_VARIANT({{ env.CHANGED_TOKEN | literal }}))))",
    "in_lines": "REGEXP_REPLACE({{ env.CHANGED_TOKEN | literal }}, '(.{5})', '\\\\1' || CHR(10) || '  ')",
    "cut": "LEFT({{ env.CHANGED_TOKEN | literal }}, 15) || '...'",
    "told": "TELL({{ env.TOLD_SECRET | literal }})",
    "died": "DIE({{ env.DYING_SECRET | literal }})",
}
STEPS = "".join(
    f"  c_{name}: {{type: transform, retries: 0, query: {json.dumps(f'SELECT CAST({text} AS NUMBER) AS X')}, writes: u_{name}}}\n"
    for name, text in CAST.items()
)
GENERATOR = """\
import os


def write(folder):
    secret = os.environ["GENERATOR_SECRET"]
    print("to stdout", secret)
    raise ValueError(f"no entry with {secret}")
"""
FUNCTIONS = (
    "CREATE FUNCTION TELL(X VARCHAR) RETURNS VARCHAR LANGUAGE PYTHON RUNTIME_VERSION = 3.11 HANDLER = 'f' AS "
    "$$\ndef f(x):\n    print(x)\n    raise ValueError('no entry with ' + x)\n$$",
    "CREATE FUNCTION DIE(X VARCHAR) RETURNS VARCHAR LANGUAGE PYTHON RUNTIME_VERSION = 3.11 HANDLER = 'f' AS "
    "$$\nimport os, sys\ndef f(x):\n    os.write(2, (x + chr(10)).encode())\n    os._exit(3)\n$$",
)
CONNECTIONS = f"""\
[birds]
account = "nowhere"
host = "127.0.0.1"
port = 9
protocol = "http"
user = "robin"
password = {json.dumps(BY[22].value)}
token = "{BY[23].value}"
private_key_passphrase = "{BY[24].value}"
login_timeout = 1
"""
TASKS = """\
name: nests
targets:
  local: {type: local, path: ../warehouse, database: NESTS}
schedule: {cron: "0 6 * * *", timezone: UTC}
vars: {place: a}
steps:
  one: {type: transform, query: "SELECT {{ vars.place | literal }} AS X", writes: one}
"""
PACKAGES = """\
name: nests
targets:
  local: {type: local, path: ../warehouse, database: NESTS}
stages: {s: {}}
packages: {p: [pandas]}
imports:
  lib: {stage: s, requirements: ["six==1.16.0"], packages: p}
steps:
  one: {type: transform, query: "SELECT 1 AS X", writes: one}
"""


class Folder:
    """A folder with the spec, a home and a place for temporary files, and what commands in it have written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.outputs: dict[str, bytes] = {}
        self.log = path / "logs" / "debug.log"
        for name in ("home", "tmp", "logs", "tasks", "secret", "packages"):
            (path / name).mkdir()
        written = {
            "spec.yaml": SPEC + STEPS,
            "birds.py": GENERATOR,
            "home/connections.toml": CONNECTIONS,
            "tasks/spec.yaml": TASKS,
            "secret/spec.yaml": TASKS.replace("place: a", f"place: a, api_token: {BY[1].value}"),
            "packages/spec.yaml": PACKAGES,
        }
        self.written = [path / name for name in written]
        for name, text in written.items():
            (path / name).write_text(text)
        (path / "home" / "connections.toml").chmod(0o600)
        kept = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH")
        self.environment = {
            **{name: os.environ[name] for name in kept if name in os.environ},
            "HOME": str(path / "home"),
            "SNOWFLAKE_HOME": str(path / "home"),
            "XDG_CACHE_HOME": str(path / "home" / ".cache"),
            "TMPDIR": str(path / "tmp"),
            "UV_HTTP_RETRIES": "0",
            "API_TOKEN": BY[14].value,
            "TRIPS_URL": f"http://robin:{_url(15)}@{HOST}/trips",
            "DATA_URL": f"http://{HOST}/trips?token={_url(16)}",
            "HOOK_TOKEN": BY[17].value,
            "TOLD_SECRET": BY[25].value,
            "DYING_SECRET": BY[26].value,
            "UV_DEFAULT_INDEX": f"http://robin:{BY[28].value}@{HOST}/simple",
            "GOOGLE_SETTINGS": json.dumps({"type": "service_account", "client_secret": BY[30].value}),
            "CHANGED_TOKEN": BY[32].value,
            "GENERATOR_SECRET": BY[33].value,
        }

    def run(self, *arguments: str) -> str:
        """Run a command with all logging in a file; return its output."""
        done = forked.python(LOGGED, self.log, *arguments, env=self.environment, cwd=self.path)
        return self.keep(" ".join(arguments)[:70], done.stdout + done.stderr)

    def keep(self, name: str, text: str) -> str:
        """Keep a text among the outputs."""
        self.outputs[f"{len(self.outputs) + 1} {name}"] = text.encode("utf-8", "surrogateescape")
        return text


def _served(folder: Folder) -> None:
    """Send requests with secrets to ``serve``."""
    secret = BY[29].value
    server = forked.Process(LOGGED, folder.log, "serve", "spec.yaml", env=folder.environment, cwd=folder.path)
    assert server.stderr is not None
    told: list[str] = []
    while not told or "serving on" not in told[-1]:
        told.append(server.stderr.readline())
        assert told[-1], "".join(told)
    port = int(re.findall(r"127\.0\.0\.1:(\d+)", told[-1])[0])
    login = {"data": {"LOGIN_NAME": "robin", "PASSWORD": secret, "TOKEN": secret}}
    for method, path, body in (
        ("GET", f"/x?token={secret}", None),
        ("POST", f"/session/v1/login-request?password={secret}", json.dumps(login)),
        ("POST", f"/session/v1/login-request?token={secret}", f"[no JSON {secret}"),
        ("PUT", f"/x?sig={secret}", None),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request(method, path, body, {"Authorization": f"Bearer {secret}", "X-Api-Key": secret})
        connection.getresponse().read()
        connection.close()
    server.send_signal(signal.SIGINT)
    out, err = server.communicate(20)
    folder.keep("serve", out + "".join(told) + err)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """The folder after all commands."""
    made = Folder(tmp_path_factory.mktemp("birds"))
    run = made.run
    spec = "spec.yaml"
    given = (
        *("--var", f"partner_secret={_json(5)}"),
        *("--var", f"feed=http://robin:{_url(6)}@{HOST}/trips"),
    )
    for statement in FUNCTIONS:
        run("sql", spec, statement)
    run("validate", spec)
    run("plan", spec, "--offline", "--sql", *given)
    run("plan", spec, "--offline", "--json", *given)
    run("graph", spec, "--format", "json")
    lineage = f"http://robin:{BY[27].value}@{HOST}/?api_key={BY[27].value}"
    run("run", spec, *given, "--openlineage", lineage)
    run("run", spec, *given, "--json", "--openlineage", "lineage.json")
    run("run", spec, "--resume")
    run("run", spec, "--select", f"http://robin:{BY[5].value}@{HOST}/", *given)
    run("run", spec, "--var", f"nothing=http://robin:{BY[6].value}@{HOST}/")
    run("status", spec)
    run("status", spec, "--json")
    run("plan", spec, *given)
    run("plan", spec, "--sql", *given)
    runs = json.loads(run("runs", spec, "--json"))
    run("runs", spec)
    for step in ("c_token", "c_told", "from_url", "generated"):
        run("logs", spec, runs[1]["id"], step, "--json")
    run("logs", spec, runs[1]["id"])
    run("diff", spec, runs[1]["id"], runs[0]["id"], "--json")
    run("report", spec)
    run("cost", spec)
    run("lineage", spec, "days")
    run("packages", "packages/spec.yaml")
    run("test", spec)
    run("explore", spec, "days", "--series", "place", "--time", "day", "--value", "n", "--format", "json")
    run("record", spec, "--output", "record.json", "--select", "days c_login c_upper c_told from_url", *given)
    run("sql", spec, "SELECT * FROM SNOWPIPE_ML.EVENTS", "--format", "json")
    run("sql", spec, "SELECT * FROM SNOWPIPE_ML.EVENTS")
    run("sql", spec, f"SELECT CAST('password=''{BY[31].value}''' AS NUMBER)")
    run("sql", spec, f"CREATE USER robin PASSWORD = '{BY[31].value}' NO_SUCH_OPTION = 1")
    run("export", "tasks", "secret/spec.yaml", "--sql")
    run("export", "tasks", "secret/spec.yaml", "--deploy")
    run("export", "tasks", "tasks/spec.yaml", "--sql")
    run("export", "tasks", "tasks/spec.yaml", "--deploy")
    _served(made)
    command = [sys.executable, "-c", LOGGED, str(made.log), "plan", spec, "--target", "prod"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=made.path, env=made.environment, check=False
    )
    made.keep("plan --target prod", done.stdout + done.stderr)
    return made


@pytest.mark.slow
def test_no_canary_is_in_an_output_or_a_file(folder: Folder) -> None:
    assert found_in(CANARIES, folder.outputs) == {}
    files = contents(folder.path, folder.written)
    assert found_in(CANARIES, files) == {}
    # The commands wrote what they write, with stars in place of the canaries.
    run = next(text.decode() for name, text in folder.outputs.items() if name.split()[1] == "run")
    events = files["warehouse/databases/BIRDS.duckdb, its tables"].decode()
    for name in CAST:
        assert re.search(rf"error c_{name}: .*{re.escape(STARS)}", run), name
        assert re.search(rf"^c_{name}$", events, re.M), name
    for pattern in (
        r"\.snowpipe/reports/.*\.html",
        r"logs/debug\.log",
        r"lineage\.json",
        r"record\.json",
        r".*\.zip!spec\.yaml",
    ):
        assert any(re.fullmatch(pattern, name) for name in files), pattern
    assert "?token=******" in files["logs/debug.log"].decode()


def _in_duckdb(path: Path, text: str) -> None:
    with duckdb.connect(str(path / "x.duckdb")) as database:
        database.execute("CREATE SCHEMA s")
        database.execute("CREATE TABLE s.t AS SELECT ? AS x, repeat('y', 100) AS y", [text])


def _in_zip(path: Path, text: str) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside.txt.gz", gzip.compress(text.encode()))
    (path / "x.zip").write_bytes(out.getvalue())


LEAKS: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "in uppercase": str.upper,
    "in lowercase": str.lower,
    "URL-encoded": lambda text: quote(text, safe=""),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 behind one byte": lambda text: base64.b64encode(b"x" + text.encode()).decode(),
    "base64 behind two bytes": lambda text: base64.urlsafe_b64encode(b"xy" + text.encode()).decode(),
    "base64 on lines": lambda text: "\n".join(textwrap.wrap(base64.b64encode(text.encode()).decode(), 5)),
    "hex": lambda text: text.encode().hex().upper(),
    "JSON": json.dumps,
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)),
    "HTML": html.escape,
    "a shell's word": shlex.quote,
    "on lines": lambda text: "\n   ".join(textwrap.wrap(text, 5)),
    "on lines of a table": lambda text: " │\n│ ".join(textwrap.wrap(text, 4)),
    "cut": lambda text: text[:9] + "...",
}


@pytest.mark.parametrize("form", LEAKS)
def test_the_search_finds_a_planted_canary(tmp_path: Path, form: str) -> None:
    leaks = {canary.number: LEAKS[form](canary.value) for canary in CANARIES}
    found = found_in(CANARIES, {str(number): f"x {leak} y".encode() for number, leak in leaks.items()})
    assert found == {str(canary.number): [canary.number] for canary in CANARIES}


@pytest.mark.parametrize("plant", [_in_duckdb, _in_zip, lambda path, text: (path / text).mkdir()])
def test_the_search_looks_into_files(tmp_path: Path, plant: Callable[[Path, str], None]) -> None:
    canary = BY[8]
    assert found_in(CANARIES, contents(tmp_path)) == {}
    plant(tmp_path, canary.value)
    found = found_in(CANARIES, contents(tmp_path))
    assert found
    assert set(map(tuple, found.values())) == {(canary.number,)}


def test_the_documentation_lists_the_places() -> None:
    page = (Path(__file__).parents[1] / "docs" / "security.md").read_text(encoding="utf-8")
    for canary in CANARIES:
        assert f"| {canary.number} | {canary.place} | {canary.enters} |" in page

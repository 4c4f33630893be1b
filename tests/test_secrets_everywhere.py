"""Secrets in a spec's variables, URLs and headers appear neither in output nor in run metadata."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from snowpipe_ml import Pipeline
from snowpipe_ml.cli.main import main
from snowpipe_ml.text.redaction import STARS, redact

# Nothing listens on this port, so requests fail immediately.
HOST = "127.0.0.1:9"
SPEC = f"""\
name: birds
default_target: local
targets:
  local: {{type: local, path: warehouse, database: BIRDS, vars: {{target_token: canary-of-the-target}}}}
vars:
  api_token: canary-api-token
  target_token: canary-default-token
  db_password: canary-db-password
  clientSecret: canary-camel-case
  secrets: [canary-first, canary-second]
  login: {{user: robin, password: canary-nested}}
  pin_password: 0
  feed: "http://robin:canary-url-password@{HOST}/trips"
  azure: "http://{HOST}/c/x.csv?sv=2022-11-02&sp=r&sig=canaryAzure%2Fsig%3D"
  amazon: "http://{HOST}/x.csv?X-Amz-Credential=canaryAmzCredential%2F2024&X-Amz-Security-Token=canaryAmzToken&X-Amz-Signature=canaryAmzSignature"
  google: "http://{HOST}/x.csv?X-Goog-Credential=canaryGoogCredential&X-Goog-Signature=canaryGoogSignature"
  other: "http://{HOST}/x.csv?token=canaryQueryToken&access_token=canaryAccessToken"
  header: "Authorization: Bearer canaryBearer.abc-_123"
  basic: "Authorization: Basic Y2FuYXJ5OnBhc3N3b3Jk"
  pem: |
    -----BEGIN PRIVATE KEY-----
    MIIcanaryPem0123456789
    -----END PRIVATE KEY-----
  # Named a little like secrets, and none.
  key: STATION_ID
  primary_key: RIDE_ID
  tokenizer: moses-tokenizer
  max_tokens: 123456
  keyboard: qwerty-layout
stages: {{s: {{}}}}
steps:
  kept:
    type: transform
    query: |
      SELECT {{{{ vars.api_token | literal }}}} AS A, {{{{ vars.login.password | literal }}}} AS B, {{{{ vars.google | literal }}}} AS C,
        {{{{ vars.pem | literal }}}} AS D, {{{{ vars.basic | literal }}}} AS E, {{{{ vars.secrets[0] | literal }}}} AS F,
        {{{{ vars.clientSecret | literal }}}} AS G, {{{{ vars.tokenizer | literal }}}} AS H
    writes: kept
  written: {{type: transform, query: "SELECT 'http://bob:canary-in-a-query@{HOST}/?sig=canaryInAQuery' AS X", writes: written}}
  cast_password: {{type: transform, query: "SELECT CAST({{{{ vars.db_password | literal }}}} AS NUMBER) AS X", writes: u1}}
  cast_header: {{type: transform, query: "SELECT CAST({{{{ vars.header | literal }}}} AS NUMBER) AS X", writes: u2}}
  cast_amazon: {{type: transform, query: "SELECT CAST({{{{ vars.amazon | literal }}}} AS NUMBER) AS X", writes: u3}}
  cast_token: {{type: transform, query: "SELECT CAST({{{{ vars.target_token | literal }}}} AS NUMBER) AS X", writes: u4}}
  cast_azure: {{type: transform, query: "SELECT CAST({{{{ vars.azure | literal }}}} AS NUMBER) AS X", writes: u5}}
  cast_other: {{type: transform, query: "SELECT CAST({{{{ vars.other | literal }}}} AS NUMBER) AS X", writes: u6}}
  cast_pin: {{type: transform, query: "SELECT CAST('pin ' || {{{{ vars.pin_password | literal }}}} AS NUMBER) AS X", writes: u7}}
  from_feed: {{type: extract, from: "{{{{ vars.feed }}}}", url_file: "{{month}}.zip", months: ["2022-01"], into: "@s/a", layouts: {{new: {{columns: [a]}}}}}}
  from_url: {{type: extract, from: "http://robin:canary-in-from@{HOST}/trips", url_file: "{{month}}.csv?sig=canaryInAFileName", months: ["2022-01"], into: "@s/b", layouts: {{new: {{columns: [a]}}}}}}
"""
PIN = "246813579"
GIVEN = ("--var", "api_token=canary-of-the-command-line", "--var", f"pin_password={PIN}")
CANARIES = (
    *sorted(set(re.findall(r"canary[\w-]*", SPEC)) - {"canary-of-the-command-line"}),
    "canary-of-the-command-line",
    "Y2FuYXJ5OnBhc3N3b3Jk",
    PIN,
)


def printed(*arguments: object) -> str:
    """The complete output of a command."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments]).output


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The output of each command and the content of each file that a run writes, by name."""
    folder = tmp_path_factory.mktemp("birds")
    spec = folder / "spec.yaml"
    spec.write_text(SPEC)
    lineage = folder / "lineage.json"
    found = {
        "validate": printed("validate", spec),
        "plan --offline --sql": printed("plan", spec, "--offline", "--sql", *GIVEN),
        "plan --offline --json": printed("plan", spec, "--offline", "--json", *GIVEN),
        "graph": printed("graph", spec, "--format", "json"),
        "run": printed("run", spec, *GIVEN, "--openlineage", lineage),
        "status": printed("status", spec),
        "logs": printed("logs", spec),
        "run --json": printed("run", spec, "--json"),
        "plan --json": printed("plan", spec, "--json"),
        "runs --json": printed("runs", spec, "--json"),
        "logs --json": printed("logs", spec, "--json"),
        "sql": printed("sql", spec, "SELECT * FROM SNOWPIPE_ML.EVENTS", "--format", "json"),
        "lineage.json": lineage.read_text(),
    }
    ids = [run["id"] for run in json.loads(found["runs --json"])]
    found["diff"] = printed("diff", spec, ids[1], ids[0])
    found["diff --json"] = printed("diff", spec, ids[1], ids[0], "--json")
    for step in ("kept", "cast_password", "from_feed"):
        found[f"logs {step}"] = printed("logs", spec, ids[1], step)
    for number, report in enumerate((folder / ".snowpipe" / "reports").glob("*.html"), 1):
        found[f"report {number}"] = report.read_text()
    session = Pipeline.from_yaml(spec).session()
    rows = session.sql("SELECT * FROM SNOWPIPE_ML.EVENTS").collect()
    session.close()
    found["records"] = json.dumps([row.as_dict() for row in rows], default=str)
    return found


@pytest.mark.parametrize("canary", CANARIES)
def test_a_secret_of_the_spec_is_in_no_output(outputs: Mapping[str, str], canary: str) -> None:
    assert [name for name, text in outputs.items() if canary in text] == []


def test_what_is_no_secret_is_shown(outputs: Mapping[str, str]) -> None:
    # Each command printed something, and the host and path of a URL are kept.
    assert "from_feed" in outputs["run"]
    assert f"{HOST}/trips" in outputs["run"]
    assert f"{HOST}/trips" in outputs["plan --offline --sql"]
    assert "u1" in outputs["plan --offline --json"].lower()
    for visible in ("STATION_ID", "RIDE_ID", "moses-tokenizer", "123456", "qwerty-layout"):
        assert visible in outputs["records"]
    assert "moses-tokenizer" in outputs["plan --offline --sql"]
    # The run metadata shows where the secrets were.
    assert STARS in outputs["records"]


@pytest.mark.parametrize(
    ("argument", "secret"),
    [
        ("api_token=[canary-not-yaml", "canary-not-yaml"),
        ("nothing=http://robin:canary-unknown@host/", "canary-unknown"),
    ],
    ids=["no YAML", "no such variable"],
)
def test_a_refused_variable_is_not_shown(tmp_path: Path, argument: str, secret: str) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC)
    text = printed("run", spec, "--var", argument)
    assert "--var" in text or "variable" in text
    assert secret not in text


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("  bad: {type: transform, qeury: 'http://bob:canary-key@host/', writes: t}", "canary-key"),
        ("  bad: {type: transform, query: \"SELECT '?sig=canarySnippet' AS X\", writse: t}", "canarySnippet"),
        (
            "  bad: {type: transform, query: \"SELECT 'Bearer canarySnippet.0123456789'\", writse: t}",
            "canarySnippet",
        ),
    ],
    ids=[
        "password of a URL",
        "signature",
        "bearer",
    ],  # the environment contains the test's name, with its parameters
)
def test_the_line_of_a_mistake_hides_its_secrets(tmp_path: Path, line: str, secret: str) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"name: birds\ntargets:\n  local: {{type: local, path: warehouse}}\nsteps:\n{line}\n")
    text = printed("validate", spec)
    assert "spec.yaml:5:" in text
    assert secret not in text


@pytest.mark.parametrize(
    "lines",
    [
        "vars:\n  api_token: canary-duplicate\n  api_token: canary-duplicate-2\n",
        "vars: {api_token: canary-duplicate, x: ]\n",
        "vars:\n  db_password: !!python/object canary-duplicate\n",
    ],
    ids=["duplicate key", "no YAML", "tag"],
)
def test_a_secret_in_a_file_that_cannot_be_read_is_not_shown(tmp_path: Path, lines: str) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"name: birds\ntargets:\n  local: {{type: local, path: warehouse}}\n{lines}")
    text = printed("validate", spec)
    assert "spec.yaml:" in text
    assert "canary" not in text


def test_a_mistake_of_the_command_prints_no_secret(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC)
    code = (
        "import sys\n"
        "from snowpipe_ml.cli import main as cli\n"
        "from snowpipe_ml.engine.pipeline import Pipeline\n"
        "def fail(self, target=None):\n"
        "    spec, _, _ = self.load(target)\n"
        '    raise RuntimeError(f\'no entry with {spec.scope["vars"]["db_password"]}\')\n'
        "Pipeline.graph = fail\n"
        "cli.main(['graph', sys.argv[1]])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(spec)], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "no entry with" in done.stderr
    assert "canary-db-password" not in done.stderr


def test_a_run_that_was_given_secrets_asks_for_them_again(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        "name: birds\ntargets:\n  local: {type: local, path: warehouse}\nvars: {db_password: none-yet}\nsteps:\n"
        '  failing: {type: transform, query: "SELECT CAST({{ vars.db_password | literal }} AS NUMBER) AS X", writes: u}\n'
    )
    printed("run", spec, "--var", "db_password=canary-to-be-resumed", "--no-report")
    text = printed("run", spec, "--resume", "--no-report")
    assert "db_password" in text
    assert "again" in text
    assert "canary-to-be-resumed" not in text


def test_the_token_of_a_package_index_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("uv")
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://{HOST}/simple?token=canary-of-the-index")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        "name: birds\ntargets:\n  local: {type: local, path: warehouse}\nstages: {s: {}}\npackages: {p: [pandas]}\n"
        'imports:\n  lib: {stage: s, requirements: ["six==1.16.0"], packages: p}\n'
        "steps:\n  one: {type: transform, query: SELECT 1 AS X, writes: t}\n"
    )
    text = printed("packages", spec)
    assert HOST in text
    assert "canary-of-the-index" not in text


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("GET https://robin:s3cretp%40ss@host/x failed", "s3cretp%40ss"),
        ("postgresql+psycopg://robin:s3cretpass@host:5432/db", "s3cretpass"),
        ("https://:s3cretpass@host/x", "s3cretpass"),
        ("https://h/x?sig=s3cretSig%3D", "s3cretSig%3D"),
        ("https://h/x?a=1&SIG=s3cretSig&b=2", "s3cretSig"),
        ("https://h/x?token=s3crettoken#top", "s3crettoken"),
        ("https://h/x?access_token=s3crettoken", "s3crettoken"),
        ("https://h/x?api_key=s3cretkey", "s3cretkey"),
        ("https://h/x?client_secret=s3cretkey", "s3cretkey"),
        ("https://h/x?password=s3cretpass", "s3cretpass"),
        ("https://h/x?X-Amz-Signature=s3cretsig", "s3cretsig"),
        ("https://h/x?x-amz-security-token=s3crettok", "s3crettok"),
        ("https://h/x?X-Amz-Credential=AKIAs3cret%2F20240101", "AKIAs3cret%2F20240101"),
        ("https://h/x?X-Goog-Signature=s3cretsig", "s3cretsig"),
        ("https://h/x?AWSAccessKeyId=AKIAs3cret&Signature=s3cretsig&Expires=1", "s3cretsig"),
        ("https://h/x?a=1&amp;sig=s3cretSig&amp;b=2", "s3cretSig"),
        ('{"url": "https://h/x?sig=s3cretSig\\u0026b=2"}', "s3cretSig"),
        ("Authorization: Bearer s3crettoken.abc-_~+/123==", "s3crettoken"),
        ('{"Authorization": "Bearer s3crettoken0123"}', "s3crettoken0123"),
        ("authorization: bearer s3crettoken0123", "s3crettoken0123"),
        ("Authorization: Basic czNjcmV0OnBhc3M=", "czNjcmV0OnBhc3M="),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIs3cret\nAAAA\n-----END RSA PRIVATE KEY-----", "MIIs3cret"),
        ("    -----BEGIN PRIVATE KEY-----\n    MIIs3cret\n    -----END PRIVATE KEY-----", "MIIs3cret"),
        ("-----BEGIN PRIVATE KEY-----\\nMIIs3cret\\n-----END PRIVATE KEY-----", "MIIs3cret"),
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIs3cret and then it is cut", "MIIs3cret"),
        ("https://bob:s3@cret@host/a@b", "cret"),
        ("https://bob:s3/cret@host/a", "cret"),
        ("https://bob:s3#cret@host/a", "cret"),
        ("password=hunter22 host=x", "hunter22"),
        ("Driver={ODBC};Server=x;PWD=hunter22;Port=1", "hunter22"),
        ("ALTER USER robin SET PASSWORD='hunter 22'", "hunter 22"),
        ('{"dsn": "password=\\"hunter22\\" host=x"}', "hunter22"),
        ("AccountName=x;AccountKey=s3cret/+x==;EndpointSuffix=y", "s3cret"),
        ("X-Api-Key: s3cretkey", "s3cretkey"),
        ('{"x-api-key": "s3cretkey"}', "s3cretkey"),
        ('Authorization: Snowflake Token="ver:1-s3cret0123"', "s3cret0123"),
        ("Authorization: token s3crettoken0123", "s3crettoken0123"),
        (
            "Authorization: AWS4-HMAC-SHA256 Credential=AKIA/1, Signature=0123456789abcdef0123",
            "0123456789abcdef0123",
        ),
        ("Cookie: theme=dark; session=s3cretsession", "s3cretsession"),
        ('{"Set-Cookie": "sid=s3cretsession", "b": 1}', "s3cretsession"),
        ("export AWS_SECRET_ACCESS_KEY=s3cretkey/abc", "s3cretkey/abc"),
        ("CREATE USER robin PASSWORD = 's3cret pass'", "s3cret pass"),
        ("TYPE = GENERIC_STRING SECRET_STRING='s3cret'", "s3cret"),
        ("CREDENTIALS = (AWS_TOKEN = 's3cret0')", "s3cret0"),
        ("pushed with ghp_s3cret0123456789abcdef", "s3cret0123456789"),
        ("xoxb-s3cret0123456789 is the bot", "s3cret0123456789"),
        ("eyJhbGciOiJIUzI1.eyJzdWIiOiIx.s3cretsignature", "s3cretsignature"),
    ],
    ids=range(47),
)
def test_what_looks_like_a_secret_is_hidden_without_being_known(text: str, secret: str) -> None:
    found = redact(text)
    assert secret not in found
    assert STARS in found


@pytest.mark.parametrize(
    "text",
    [
        "https://host:8080/trips/2022-01.zip",
        "https://robin@host/trips",
        "https://h/x?page=2&signal=9&tokens=3&design=new",
        "https://h/x?sv=2022-11-02&sp=r&X-Amz-Date=20240101T000000Z&X-Amz-Expires=60",
        "s3://bucket/folder@2024/x.csv",
        "@stage/trips/a:b@c.csv",
        "the bearer of this letter",
        "Basic training data of 2024",
        "signature: verified",
        "-----BEGIN CERTIFICATE-----\nMIIpublic\n-----END CERTIFICATE-----",
        "12:30:45 @ noon",
        "http://host:8080/trips/a@b.csv",
        "http://[::1]:8080/trips/a@b.csv",
        "https://host:8080/trips?mail=robin@example.org",
        "ON a.password=b.password",
        "WHERE password = reset_password",
        '{"a": "password=", "b": "it\'s"}',
        "api-key,STATION_ID",
        "authorization: see the documentation",
        "Authorization required by the server",
        "cookie: with chocolate",
        "a.reset_password = 1",
        "the task-live-2024 of scikit-learn",
        "password = {{ env.DB_PASSWORD | literal }}",
        "signature=verified",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "name", ["password", "db_password", "apiToken", "api-key", "clientSecret", "accessKey"]
)
def test_a_variable_that_is_named_like_a_secret_is_hidden(tmp_path: Path, name: str) -> None:
    spec = tmp_path / "spec.yaml"
    value = f"value-of-{name}"
    spec.write_text(
        f"name: birds\ntargets:\n  local: {{type: local, path: warehouse}}\nvars: {{{name}: {value}}}\nsteps:\n"
        f"  one: {{type: transform, query: \"SELECT {{{{ vars['{name}'] | literal }}}} AS X\", writes: t}}\n"
    )
    text = printed("plan", spec, "--offline", "--sql")
    assert "SELECT" in text
    assert value not in text


def test_a_variable_that_is_a_columns_name_or_a_limit_falsifies_no_data(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        "name: birds\ntargets:\n  local: {type: local, path: warehouse}\n"
        "vars: {account_key: ACCOUNT_ID, token_limit: 100000}\nsteps:\n"
        '  one: {type: transform, query: "SELECT {{ vars.token_limit | literal }} AS {{ vars.account_key | identifier }}", writes: t}\n'
    )
    assert "100000 AS " in (text := printed("plan", spec, "--offline", "--sql"))
    assert "ACCOUNT_ID" in text
    query = "SELECT 100000 AS N, 'ACCOUNT_ID' AS C"
    assert json.loads(printed("sql", spec, query, "--format", "json")) == [{"N": 100000, "C": "ACCOUNT_ID"}]
    assert printed("sql", spec, query, "--format", "csv").split() == ["N,C", "100000,ACCOUNT_ID"]


@pytest.mark.parametrize(
    "name", ["key", "primary_key", "sort_key", "keys", "tokenizer", "max_tokens", "secretary"]
)
def test_a_variable_that_is_named_only_a_little_like_a_secret_is_shown(tmp_path: Path, name: str) -> None:
    spec = tmp_path / "spec.yaml"
    value = f"shown-of-{name}"
    spec.write_text(
        f"name: birds\ntargets:\n  local: {{type: local, path: warehouse}}\nvars: {{{name}: {value}}}\nsteps:\n"
        f"  one: {{type: transform, query: \"SELECT {{{{ vars['{name}'] | literal }}}} AS X\", writes: t}}\n"
    )
    assert value in printed("plan", spec, "--offline", "--sql")

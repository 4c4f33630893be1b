"""A Python function reaches its imports, its temporary folder and the libraries, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

HEAD = "LANGUAGE PYTHON RUNTIME_VERSION = '3.11'"
REACH = """
import json, os, socket, subprocess

def attempt(action):
    try:
        return repr(action())
    except OSError as error:
        return type(error).__name__

def read(path):
    with open(path) as file:
        return file.read()

def write(path):
    with open(path, "w") as file:
        return file.write("x")

def look(planted):
    return json.dumps({
        "planted": attempt(lambda: read(planted)),
        "listed": attempt(lambda: os.listdir(os.path.dirname(planted))),
        "by a child": subprocess.run(["/bin/cat", planted], capture_output=True, text=True).stdout,
        "overwritten": attempt(lambda: write(planted)),
        "beside": attempt(lambda: write(planted + ".new")),
        "passwd": attempt(lambda: read("/etc/passwd")),
        "environment of the parent": attempt(lambda: read(f"/proc/{os.getppid()}/environ")),
        "signal": attempt(lambda: os.kill(os.getppid(), 0)),
        "tcp": attempt(lambda: socket.create_connection(("127.0.0.1", 9))),
        "udp": attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
        "unix": attempt(lambda: socket.socket(socket.AF_UNIX)),
        "own file": attempt(lambda: write("own") and read("own")),
        "own /tmp": attempt(lambda: write("/tmp/snowpipe-own") and read("/tmp/snowpipe-own")),
    })
"""
linux = pytest.mark.skipif(sys.platform != "linux", reason="Landlock and seccomp are Linux's")


@linux
def test_a_function_reaches_nothing_of_the_host(query: Any, tmp_path: Path) -> None:
    planted = tmp_path / "planted.txt"
    planted.write_text("private")
    query(f"CREATE FUNCTION reach(path VARCHAR) RETURNS VARCHAR {HEAD} HANDLER = 'look' AS $$\n{REACH}\n$$")
    found = json.loads(query(f"SELECT reach('{planted}')")[0][0])
    assert found.pop("own file") == found.pop("own /tmp") == "'x'"
    assert not any("private" in answer or answer == "1" for answer in found.values())
    refused = {"PermissionError", "FileNotFoundError"}
    assert {name: answer for name, answer in found.items() if answer not in refused} == {"by a child": ""}
    assert planted.read_text() == "private"
    assert os.listdir(tmp_path) == ["planted.txt"]
    assert not Path("/tmp/snowpipe-own").exists()


def test_workers_do_not_share_their_files(query: Any) -> None:
    query(
        f"CREATE FUNCTION leave(n INT) RETURNS VARCHAR {HEAD} HANDLER = 'f' AS $$\n"
        "def f(n):\n    open('/tmp/left', 'w').write('x')\n    return 'left'\n$$"
    )
    query(
        f"CREATE FUNCTION look_for(n INT) RETURNS BOOLEAN {HEAD} HANDLER = 'f' AS $$\n"
        "import os\ndef f(n):\n    return os.path.exists('/tmp/left')\n$$"
    )
    assert query("SELECT leave(1)") == [("left",)]
    assert query("SELECT look_for(1)") == [(False,)]


PUTS = """
import os
def run(session, path):
    with open('/tmp/model.txt', 'w') as file:
        file.write('a model')
    session.file.put('/tmp/model.txt', '@models', auto_compress=False, overwrite=True)
    session.file.get('@models/model.txt', '/tmp/back')
    kept = open('/tmp/back/model.txt').read()
    os.symlink(path, '/tmp/link')
    for source in (path, '/tmp/link', '/tmp/lin*'):
        try:
            session.file.put(source, '@models', auto_compress=False)
            kept += ', uploaded'
        except Exception as error:
            kept += ', ' + type(error).__name__
    return kept
"""


def test_a_procedure_transfers_only_its_own_files(query: Any, tmp_path: Path) -> None:
    planted = tmp_path / "planted.txt"
    planted.write_text("private")
    query("CREATE STAGE models")
    query(
        f"CREATE PROCEDURE puts(path VARCHAR) RETURNS VARCHAR {HEAD} PACKAGES = ('snowflake-snowpark-python') "
        f"HANDLER = 'run' AS $$\n{PUTS}\n$$"
    )
    said = query(f"CALL puts('{planted}')")[0][0]
    assert said.startswith("a model, ")
    assert "uploaded" not in said
    assert [row[0] for row in query("LIST @models")] == ["models/model.txt"]


GUARDED = """
import sys
import tempfile
from snowpipe_ml.local.python import confinement

own, planted = sys.argv[1:]
confinement._guard([sys.prefix, sys.base_prefix], [own])
for path, mode in ((planted, "r"), (planted, "w"), (own + "/own", "w")):
    try:
        open(path, mode).close()
        print("opened")
    except PermissionError:
        print("refused")
"""


def test_the_guard_refuses_the_same_files_where_the_system_cannot(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    planted = tmp_path / "planted.txt"
    planted.write_text("private")
    done = subprocess.run(
        [sys.executable, "-c", GUARDED, str(own), str(planted)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["refused", "refused", "opened"]


@linux
def test_libraries_behind_a_symbolic_link_below_tmp_are_imported(tmp_path: Path) -> None:
    """A virtual environment may be a link; the worker has its own /tmp, without the host's links."""
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "linked_library.py").write_text("VALUE = 7")
    statement = (
        f"CREATE FUNCTION linked(n INT) RETURNS INT {HEAD} HANDLER = 'f' AS $$\n"
        "def f(n):\n    import linked_library\n    return linked_library.VALUE\n$$"
    )
    code = (
        "import sys; from snowpipe_ml.local import connect\n"
        "with connect(None, 'D') as connection:\n"
        "    cursor = connection.cursor(); cursor.execute(sys.argv[1])\n"
        "    print(cursor.execute('SELECT linked(1)').fetchone()[0])"
    )
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        link = Path(folder) / "link"
        link.symlink_to(tmp_path / "library")
        path = os.pathsep.join([str(link), *filter(None, [os.environ.get("PYTHONPATH")])])
        done = subprocess.run(
            [sys.executable, "-c", code, statement],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
            check=False,
        )
    assert done.stdout.strip() == "7", done.stderr

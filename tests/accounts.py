"""An embedded warehouse that is served, for ``snowpipe-ml`` and the real connector as an account is."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from snowpipe_ml.local.client.connection import Connection
from snowpipe_ml.local.server.http import WarehouseServer
from tests import forked

TARGET = "targets: {prod: {type: snowflake, connection: served, database: DEMO}}\n"
"""The target of specs that run on it."""

# The connector is imported before the process is forked, and has the path of connections.toml from then.
_COMMAND = """
import os, pathlib
from snowflake.connector.config_manager import CONFIG_MANAGER
path = pathlib.Path(os.environ["SNOWFLAKE_HOME"], "connections.toml")
CONFIG_MANAGER._slices[0] = CONFIG_MANAGER._slices[0]._replace(path=path)
from snowpipe_ml.cli.main import main
main()
"""


class Account:
    """A served warehouse.

    Attributes:
        folder: a folder with connections.toml, for specs.
        server: the server.
        token: the token that it takes as password, programmatic access token and OAuth token.
    """

    token = "a-token-of-the-tests"

    def __init__(self, folder: Path, server: WarehouseServer, connection: Connection) -> None:
        self.folder, self.server = folder, server
        self._connection = connection
        self._entry = dict(line.split(" = ", 1) for line in server.entry.splitlines()[1:])
        self._write()
        self._env = {
            **os.environ,
            "SNOWFLAKE_HOME": str(folder),
            "SF_TELEMETRY_ENABLED": "false",
            "SF_TEMPORARY_CREDENTIAL_CACHE_DIR": str(folder / "credentials"),
        }
        (folder / "credentials").mkdir(mode=0o700)

    def _write(self) -> None:
        lines = [f"{key} = {value}\n" for key, value in self._entry.items()]
        (self.folder / "connections.toml").write_text("[served]\n" + "".join(lines))
        (self.folder / "connections.toml").chmod(0o600)

    def entry(self, key: str, value: str | int | None) -> None:
        """Change a setting of the connection; None removes it."""
        self._entry.pop(key, None)
        if value is not None:
            self._entry[key] = json.dumps(value)
        self._write()

    def parameters(self) -> dict[str, str]:
        """Return the parameters of the connection, as texts."""
        return {key: str(json.loads(value)) for key, value in self._entry.items()}

    def ask(self, text: str) -> list[tuple[Any, ...]]:
        """Return the rows of a statement, in a session beside those of the clients."""
        cursor = self._connection.cursor()
        cursor.execute(text)
        return [tuple(row) for row in cursor.fetchall()]

    def start(self, *arguments: object) -> forked.Process:
        """Start ``snowpipe-ml`` in another process."""
        return forked.Process(_COMMAND, *arguments, env=self._env, cwd=self.folder)

    def command(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run ``snowpipe-ml`` in another process to its end."""
        return forked.python(_COMMAND, *arguments, env=self._env, cwd=self.folder, timeout=300)


@contextmanager
def account(folder: Path, **options: Any) -> Iterator[Account]:
    """Serve a warehouse in a folder; the options are those of the server."""
    server = WarehouseServer(folder / "account", 0, Account.token, "DEMO", **options)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    connection = Connection(server._holder.storage, "DEMO", "PUBLIC", shared=True)
    connection.session.role = "ACCOUNTADMIN"
    try:
        yield Account(folder, server, connection)
    finally:
        connection.close()
        server.close()
        thread.join()

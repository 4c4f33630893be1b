"""PUT and GET for clients of the server: the client copies the files to or from a location that it is given.

Clients run on the same machine, so the location is a folder of the warehouse ("LOCAL_FS").
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from snowpipe_ml.local.catalog.stages import find_stage
from snowpipe_ml.local.client.connection import Connection
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.values import text_option
from snowpipe_ml.local.statements.transfers import local_file
from snowpipe_ml.local.syntax.reader import Reader


def transfer(
    connection: Connection, text: str, query_id: str, settings: Mapping[str, object]
) -> dict[str, object] | None:
    """Return the instructions by which a client runs a PUT or GET; None for any other statement.

    Args:
        connection: the connection.
        text: the statement.
        query_id: its id in the query history.
        settings: settings of this statement only, such as QUERY_TAG.
    """
    word = text.lstrip()[:3].upper()
    if word not in ("PUT", "GET") or not text.lstrip()[3:4].isspace():
        return None
    reader = Reader(text)
    reader.next()
    query = connection.session.query(query_id, text, str(settings.get("QUERY_TAG") or ""))
    with connection.storage.history.running(query):
        return _upload(connection, reader) if word == "PUT" else _download(connection, reader)


def _upload(connection: Connection, reader: Reader) -> dict[str, object]:
    source = local_file(reader)
    stage, path = find_stage(connection.session, reader.stage())
    options = reader.options()
    reader.end()
    if stage.external:
        raise errors.error(1059, "22023", "PUT needs an internal stage")
    folder = stage.file(path) if path else stage.folder
    folder.mkdir(parents=True, exist_ok=True)
    return {
        **_place(folder),
        "command": "UPLOAD",
        "src_locations": [source],
        "parallel": 4,
        "autoCompress": bool(options.get("AUTO_COMPRESS", True)),
        "overwrite": bool(options.get("OVERWRITE", False)),
        "sourceCompression": str(options.get("SOURCE_COMPRESSION") or "AUTO_DETECT").lower(),
    }


def _download(connection: Connection, reader: Reader) -> dict[str, object]:
    stage, path = find_stage(connection.session, reader.stage())
    target = local_file(reader)
    options = reader.options()
    reader.end()
    files = [file.relative for file in stage.files(path, text_option(options, "PATTERN"))]
    return {
        **_place(stage.folder),
        "command": "DOWNLOAD",
        "src_locations": files,
        "localLocation": target,
        "parallel": 4,
        "encryptionMaterial": [],
    }


def _place(folder: Path) -> dict[str, object]:
    info: dict[str, object] = {
        "locationType": "LOCAL_FS",
        "location": str(folder.resolve()),
        "path": "",
        "creds": {},
        "region": None,
        "storageAccount": None,
        "isClientSideEncrypted": False,
    }
    return {"stageInfo": info, "encryptionMaterial": None, "operation": "Node"}

"""A task that is killed, on a connection of Airflow: prints its error, and how a private key is passed."""

from __future__ import annotations

import base64
import json
import sys
import threading
import time
from types import SimpleNamespace

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowException
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from snowpipe_ml import Pipeline
from snowpipe_ml.integrations.airflow.connection import parameters_of, sessions_of
from snowpipe_ml.integrations.airflow.operators import RunStep, Source

STARTED = "SELECT COUNT(*) FROM SNOWPIPE_ML.EVENTS WHERE EVENT = 'step_started' AND STEP = 'slow'"


def killed(spec: str) -> str:
    """Return the error of a task whose process is asked to end while its statement runs."""
    opens = sessions_of("served")
    assert opens is not None
    handle = Pipeline.from_yaml(spec).begin_run(run_key="of Airflow", session_factory=opens)
    context = {"ti": SimpleNamespace(xcom_pull=lambda **_: handle.to_json())}
    Pipeline.from_yaml(spec).run_step(handle, "a", session_factory=opens)
    task = RunStep(task_id="slow", source=Source(spec, conn_id="served"), step="slow", begin="begin")
    errors = []

    def execute() -> None:
        try:
            task.execute(context)
        except AirflowException as error:
            errors.append(str(error))

    thread = threading.Thread(target=execute)
    thread.start()
    with opens() as session:
        while not session.sql(STARTED).collect()[0][0]:
            assert thread.is_alive(), errors
            time.sleep(0.2)
    task.on_kill()
    thread.join(120)
    return errors[0]


def key() -> list[str]:
    """Return the parameters of a connection with a private key."""
    made = rsa.generate_private_key(65537, 2048)
    text = made.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"a passphrase"),
    )
    extra = json.dumps({"private_key_content": base64.b64encode(text).decode()})
    found = parameters_of(
        Connection(conn_id="k", conn_type="snowflake", login="u", password="a passphrase", extra=extra)
    )
    read = serialization.load_der_private_key(found["private_key"], None)
    assert read.public_key() == made.public_key()
    return ["DER", *sorted(found)]


if __name__ == "__main__":
    print(json.dumps({"error": killed(sys.argv[1]), "key": key()}))

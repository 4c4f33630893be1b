CREATE STAGE IF NOT EXISTS ORDERS.ML.ORDERS_TASKS;
PUT 'file://engine-HASH.zip' '@ORDERS.ML.ORDERS_TASKS/' AUTO_COMPRESS = FALSE OVERWRITE = FALSE;
PUT 'file://orders-HASH.zip' '@ORDERS.ML.ORDERS_TASKS/' AUTO_COMPRESS = FALSE OVERWRITE = FALSE;
ALTER TASK IF EXISTS ORDERS.ML.ORDERS SUSPEND;
CREATE OR REPLACE PROCEDURE ORDERS.ML.ORDERS_RUN_STEP(ACTION VARCHAR, STEP VARCHAR) RETURNS VARCHAR LANGUAGE PYTHON RUNTIME_VERSION = '3.11' ARTIFACT_REPOSITORY = SNOWFLAKE.SNOWPARK.ANACONDA_SHARED_REPOSITORY PACKAGES = ('jinja2', 'jsonschema', 'networkx', 'packaging', 'pydantic==2.*', 'pyyaml', 'snowflake-connector-python==4.*', 'snowflake-snowpark-python==1.*', 'tenacity==9.*') IMPORTS = ('@ORDERS.ML.ORDERS_TASKS/engine-HASH.zip', '@ORDERS.ML.ORDERS_TASKS/orders-HASH.zip') HANDLER = 'handler' EXECUTE AS CALLER AS $$
import json
import os
import sys
import tempfile
import zipfile


def unpacked(place, file):
    folder = os.path.join(tempfile.gettempdir(), file[: -len(".zip")])
    if not os.path.isdir(folder):
        aside = tempfile.mkdtemp()
        with zipfile.ZipFile(os.path.join(place, file)) as archive:
            archive.extractall(aside)
        try:
            os.rename(aside, folder)
        except OSError:  # another process was faster
            if not os.path.isdir(folder):
                raise
    return folder


IMPORTS = sys._xoptions["snowflake_import_directory"]
SETTINGS = json.loads('{"spec": "orders.yaml", "target": "prod", "root": "ORDERS.ML.ORDERS", "vars": {}, "select": [], "exclude": [], "timezone": "UTC", "minutes": 60}')
PIPELINE = unpacked(IMPORTS, 'orders-HASH.zip')
for name in [name for name in sys.modules if name.split(".")[0] == "snowpipe_ml"]:
    del sys.modules[name]  # only the staged version is used
sys.path.insert(0, unpacked(IMPORTS, 'engine-HASH.zip'))
os.environ["XDG_CACHE_HOME"] = os.path.join(PIPELINE, '.cache')

from snowpipe_ml.engine.export.inside import run_task


def handler(session, action, step):
    return run_task(session, PIPELINE, SETTINGS, action, step)
$$;
CREATE OR ALTER TASK ORDERS.ML.ORDERS SCHEDULE = 'USING CRON 0 6 2 * * UTC' CONFIG = '{"run_date": ""}' TASK_AUTO_RETRY_ATTEMPTS = 1 AS CALL ORDERS.ML.ORDERS_RUN_STEP('begin', '');
CREATE OR ALTER TASK ORDERS.ML.ORDERS__SETUP USER_TASK_TIMEOUT_MS = 21600000 AFTER ORDERS.ML.ORDERS AS CALL ORDERS.ML.ORDERS_RUN_STEP('run', 'setup');
CREATE OR ALTER TASK ORDERS.ML.ORDERS__FETCH_ORDERS USER_TASK_TIMEOUT_MS = 21600000 COMMENT = 'The archives of orders, a month each' AFTER ORDERS.ML.ORDERS__SETUP AS CALL ORDERS.ML.ORDERS_RUN_STEP('run', 'fetch_orders');
CREATE OR ALTER TASK ORDERS.ML.ORDERS__FETCH_RETURNS USER_TASK_TIMEOUT_MS = 21600000 COMMENT = 'The archive of returned orders' AFTER ORDERS.ML.ORDERS__SETUP AS CALL ORDERS.ML.ORDERS_RUN_STEP('run', 'fetch_returns');
CREATE OR ALTER TASK ORDERS.ML.ORDERS__LOAD_ORDERS USER_TASK_TIMEOUT_MS = 21600000 AFTER ORDERS.ML.ORDERS__FETCH_ORDERS AS CALL ORDERS.ML.ORDERS_RUN_STEP('run', 'load_orders');
CREATE OR ALTER TASK ORDERS.ML.ORDERS__LOAD_RETURNS USER_TASK_TIMEOUT_MS = 21600000 AFTER ORDERS.ML.ORDERS__FETCH_RETURNS AS CALL ORDERS.ML.ORDERS_RUN_STEP('run', 'load_returns');
CREATE OR ALTER TASK ORDERS.ML.ORDERS__CHECK_AMOUNTS USER_TASK_TIMEOUT_MS = 21600000 COMMENT = 'A few orders are larger than a shop can deliver at once' AFTER ORDERS.ML.ORDERS__LOAD_ORDERS AS CALL ORDERS.ML.ORDERS_RUN_STEP('run', 'check_amounts');
CREATE OR ALTER TASK ORDERS.ML.ORDERS__SOLD USER_TASK_TIMEOUT_MS = 21600000 COMMENT = 'The orders that were not returned' AFTER ORDERS.ML.ORDERS__LOAD_ORDERS, ORDERS.ML.ORDERS__LOAD_RETURNS AS CALL ORDERS.ML.ORDERS_RUN_STEP('run', 'sold');
CREATE OR ALTER TASK ORDERS.ML.ORDERS__BY_REGION USER_TASK_TIMEOUT_MS = 21600000 COMMENT = 'The orders of each day in a region' AFTER ORDERS.ML.ORDERS__SOLD AS CALL ORDERS.ML.ORDERS_RUN_STEP('run', 'by_region');
CREATE OR ALTER TASK ORDERS.ML.ORDERS__AUDIT USER_TASK_TIMEOUT_MS = 21600000 COMMENT = 'Left out, until the audit of a year begins' AFTER ORDERS.ML.ORDERS__LOAD_ORDERS AS CALL ORDERS.ML.ORDERS_RUN_STEP('run', 'audit');
CREATE OR ALTER TASK ORDERS.ML.ORDERS__FORECAST USER_TASK_TIMEOUT_MS = 21600000 COMMENT = 'The naive forecast, that a day has as many orders as the same day of the week before' AFTER ORDERS.ML.ORDERS__BY_REGION AS CALL ORDERS.ML.ORDERS_RUN_STEP('run', 'forecast');
CREATE OR ALTER TASK ORDERS.ML.ORDERS__SCORE USER_TASK_TIMEOUT_MS = 21600000 AFTER ORDERS.ML.ORDERS__FORECAST AS CALL ORDERS.ML.ORDERS_RUN_STEP('run', 'score');
CREATE OR ALTER TASK ORDERS.ML.ORDERS_FINISH USER_TASK_TIMEOUT_MS = 21600000 FINALIZE = ORDERS.ML.ORDERS AS CALL ORDERS.ML.ORDERS_RUN_STEP('finish', '');
SELECT SYSTEM$TASK_DEPENDENTS_ENABLE('ORDERS.ML.ORDERS');

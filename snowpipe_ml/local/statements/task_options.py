"""The options of tasks: which there are, and their values.

https://docs.snowflake.com/en/sql-reference/sql/create-task
"""

from __future__ import annotations

import json
import re

from snowpipe_ml.cron import parse_schedule
from snowpipe_ml.local.core import errors, parameters
from snowpipe_ml.local.core.names import ACCOUNT, CATALOG
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.values import Option, Options
from snowpipe_ml.local.statements.session import is_honoured
from snowpipe_ml.local.syntax.reader import Reader, Token

SIZES = ("XSMALL", "SMALL", "MEDIUM", "LARGE", "XLARGE", "XXLARGE", "X2LARGE")
_NUMBERS = {
    "USER_TASK_TIMEOUT_MS": (0, 604_800_000),
    "SUSPEND_TASK_AFTER_NUM_FAILURES": (0, 2**31 - 1),
    "TASK_AUTO_RETRY_ATTEMPTS": (0, 30),
    "USER_TASK_MINIMUM_TRIGGER_INTERVAL_IN_SECONDS": (10, 604_800),
}
_SERVERLESS = {
    "USER_TASK_MANAGED_INITIAL_WAREHOUSE_SIZE",
    "SERVERLESS_TASK_MIN_STATEMENT_SIZE",
    "SERVERLESS_TASK_MAX_STATEMENT_SIZE",
}
_OF_ROOTS = (
    "SCHEDULE",
    "CONFIG",
    "OVERLAP_POLICY",
    "ALLOW_OVERLAPPING_EXECUTION",
    "TASK_AUTO_RETRY_ATTEMPTS",
    "SUSPEND_TASK_AFTER_NUM_FAILURES",
)
_KNOWN = {
    "WAREHOUSE",
    "SCHEDULE",
    "CONFIG",
    "OVERLAP_POLICY",
    "ALLOW_OVERLAPPING_EXECUTION",
    "COMMENT",
    "TARGET_COMPLETION_INTERVAL",
    *_NUMBERS,
    *_SERVERLESS,
}
_UNSERVED = {"ERROR_INTEGRATION", "SUCCESS_INTEGRATION"}
_ALONE = {"OVERLAP_POLICY": "NO_OVERLAP", "ALLOW_OVERLAPPING_EXECUTION": "FALSE"}
_CONFIG_BYTES = 10_000

_CONDITIONS = {"SYSTEM$STREAM_HAS_DATA", "SYSTEM$GET_PREDECESSOR_RETURN_VALUE"}
_CASTS = re.compile(r"(?:TRY_)?(?:CAST|TO_(?:BOOLEAN|NUMBER|DECIMAL|NUMERIC|DOUBLE|VARCHAR|CHAR))")
_OPERATORS = {"AND", "OR", "NOT", "IN", "BETWEEN", "NUMBER", "DECIMAL", "VARCHAR", "CHAR"}


def _invalid(value: object, name: str) -> Exception:
    return errors.error(
        1008, "22023", f"SQL compilation error:\ninvalid value [{value}] for parameter '{name}'"
    )


def is_option(name: str) -> bool:
    """Return whether tasks have an option or session parameter."""
    return name in _KNOWN | _UNSERVED or is_honoured(name)


def split_options(given: Options) -> tuple[Options, Options]:
    """Check the options of a task, and tell its properties from the session parameters that it sets.

    Raises:
        ProgrammingError: tasks have no such option, or Snowflake does not allow its value.
        UnsupportedError: the embedded warehouse does not honour the option.
    """
    properties: Options = {}
    session_parameters: Options = {}
    for name, value in given.items():
        if name in _UNSERVED or str(value).upper() != _ALONE.get(name, str(value).upper()):
            raise errors.UnsupportedError(f"the option {name} = {value} of a task")
        if name in _KNOWN:
            properties[name] = _checked(name, value)
        elif is_honoured(name):
            if name in ("AUTOCOMMIT", "SEARCH_PATH") and value is not True:
                raise _invalid(value, name)
            checked = parameters.checked(name, value)
            session_parameters[name] = value if checked is None else checked
        else:
            raise errors.invalid_property(name, "TASK")
    return properties, session_parameters


def _checked(name: str, value: Option) -> Option:
    if name in _NUMBERS:
        least, most = _NUMBERS[name]
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise _invalid(value, name)
    elif name == "ALLOW_OVERLAPPING_EXECUTION":
        pass  # the only value that is served
    elif not isinstance(value, str):
        raise _invalid(value, name)
    elif name == "SCHEDULE":
        try:
            parse_schedule(value)
        except ValueError as error:
            raise errors.error(
                1008,
                "22023",
                f"SQL compilation error:\ninvalid value [{value}] for parameter 'SCHEDULE': {error}",
            ) from error
    elif name in _SERVERLESS and value.upper() not in SIZES:
        raise _invalid(value, name)
    elif name == "TARGET_COMPLETION_INTERVAL":
        try:
            parse_schedule(value if not value.upper().startswith("USING") else "")
        except ValueError as error:
            raise _invalid(value, name) from error
    elif name == "CONFIG":
        read_config(value)
    return value


def read_config(text: str) -> dict[str, object]:
    """Parse the configuration of a task graph.

    Raises:
        ProgrammingError: it is not a JSON object.
    """
    try:
        config = json.loads(text)
    except ValueError as error:
        raise _invalid(text, "CONFIG") from error
    if not isinstance(config, dict) or len(text.encode()) > _CONFIG_BYTES:
        raise _invalid(text, "CONFIG")
    return config


def check_together(session: Session, options: Options, *, root: bool) -> None:
    """Check the options of a task against each other and its place in the graph.

    Raises:
        ProgrammingError: a child task has options of a root task, a serverless task has those of one with a
            warehouse, or the warehouse does not exist.
    """
    if not root:
        for name in _OF_ROOTS:
            if name in options:
                raise errors.syntax(
                    f"{name} can be set on a root task only, and not on a child task or a finalizer"
                )
    warehouse = options.get("WAREHOUSE")
    if warehouse is None:
        return
    for name in (*_SERVERLESS, "TARGET_COMPLETION_INTERVAL"):
        if name in options:
            raise errors.syntax(f"{name} cannot be set on a task with a WAREHOUSE")
    (name,) = Reader(str(warehouse)).name()
    found = session.duck.execute(
        f"SELECT 1 FROM {ACCOUNT}.{CATALOG}.WAREHOUSES WHERE name = ?", [name]
    ).fetchone()
    if not found:
        raise errors.missing("Warehouse", name)
    options["WAREHOUSE"] = name


def read_condition(reader: Reader) -> str:
    """Read the condition after WHEN, up to AS or the end.

    Raises:
        ProgrammingError: a condition of a task cannot have this expression.
    """
    start = reader.peek().start
    depth = 0
    tokens: list[Token] = []
    while not reader.done and not (depth == 0 and reader.looking_at("AS")):
        token = reader.next()
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        tokens.append(token)
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        called = token.kind == "word" and following is not None and following.text == "("
        served = token.upper in _CONDITIONS | _OPERATORS or _CASTS.fullmatch(token.upper)
        if token.upper == "SELECT" or (called and not served):
            raise errors.error(
                2211,
                "0A000",
                "Invalid expression for task condition expression. Expecting one of the following: "
                f"[{', '.join(sorted(_CONDITIONS))}], and not {token.text}",
            )
    if not tokens:
        raise reader.unexpected("expected a condition")
    return reader.text[start : tokens[-1].end]

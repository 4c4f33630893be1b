"""Functions of staged files.

https://docs.snowflake.com/en/sql-reference/functions-file
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.catalog.stages import find_stage
from snowpipe_ml.local.core import errors, file_values
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.parsing import STAGE_CALLS
from snowpipe_ml.local.translate.expressions import builtin, called, macro, stored_cast
from snowpipe_ml.local.translate.registry import scalar_function
from snowpipe_ml.local.translate.signatures import Kind, check_count, converted
from snowpipe_ml.local.translate.type_names import wrong_type
from snowpipe_ml.local.translate.types import VARIANTS, T, kind

assert file_values.__name__  # it registers the functions in Python
_MEMBERS = {
    "FL_GET_CONTENT_TYPE": "CONTENT_TYPE",
    "FL_GET_ETAG": "ETAG",
    "FL_GET_RELATIVE_PATH": "RELATIVE_PATH",
    "FL_GET_SCOPED_FILE_URL": "SCOPED_FILE_URL",
    "FL_GET_STAGE": "STAGE",
    "FL_GET_STAGE_FILE_URL": "STAGE_FILE_URL",
}
STAGE_CALLS.update(("GET_ABSOLUTE_PATH", "GET_RELATIVE_PATH", "GET_STAGE_LOCATION"))
STAGE_CALLS.update(("BUILD_SCOPED_FILE_URL", "BUILD_STAGE_FILE_URL", "GET_PRESIGNED_URL"))  # to refuse them


def _file(call: exp.Expr) -> exp.Expr:
    """Return the OBJECT that describes a file, as JSON text."""
    check_count(call, 1, 1)
    (given,) = call.expressions
    if kind(given) not in VARIANTS and not isinstance(given, exp.Null | exp.JSONExtract):
        raise wrong_type(call.name.upper(), given)
    return macro("sf_standard_json", stored_cast(given.copy(), "JSON"))


@scalar_function(*_MEMBERS, returns=T.VARCHAR)
def _member(call: exp.Expr, session: Session) -> exp.Expr:
    return called("fl_member", _file(call), exp.Literal.string(_MEMBERS[call.name.upper()]))


@scalar_function("FL_GET_SIZE", returns=T.BIGINT)
def _size(call: exp.Expr, session: Session) -> exp.Expr:
    return called("fl_size", _file(call))


@scalar_function("FL_GET_FILE_TYPE", returns=T.VARCHAR)
def _file_type(call: exp.Expr, session: Session) -> exp.Expr:
    return called("fl_file_type", _file(call))


@scalar_function(
    "FL_IS_AUDIO", "FL_IS_COMPRESSED", "FL_IS_DOCUMENT", "FL_IS_IMAGE", "FL_IS_VIDEO", returns=T.BOOLEAN
)
def _is_type(call: exp.Expr, session: Session) -> exp.Expr:
    wanted = call.name.upper().removeprefix("FL_IS_").lower()
    return exp.Paren(
        this=exp.EQ(this=called("fl_file_type", _file(call)), expression=exp.Literal.string(wanted))
    )


def _location(call: exp.Expr, session: Session) -> str:
    """Return the URL of the stage that a call names, with a slash at its end.

    Raises:
        UnsupportedError: the stage is internal: Snowflake keeps its files in a cloud storage.
    """
    (first, *_) = call.expressions
    if not first.is_string:
        raise errors.UnsupportedError(f"{call.name.upper()} with a stage that is not a constant")
    stage, _ = find_stage(session, first.name)
    if not stage.external:
        raise errors.UnsupportedError(f"{call.name.upper()} of an internal stage", "Use a stage with a URL")
    return f"{stage.label}/"


@scalar_function("GET_STAGE_LOCATION", returns=T.VARCHAR)
def _stage_location(call: exp.Expr, session: Session) -> exp.Expr:
    check_count(call, 1, 1)
    return exp.Literal.string(_location(call, session))


@scalar_function("GET_ABSOLUTE_PATH", returns=T.VARCHAR)
def _absolute_path(call: exp.Expr, session: Session) -> exp.Expr:
    check_count(call, 2, 2)
    path = converted(call.expressions[1], Kind.TEXT)
    return exp.DPipe(this=exp.Literal.string(_location(call, session)), expression=path)


@scalar_function("GET_RELATIVE_PATH", returns=T.VARCHAR)
def _relative_path(call: exp.Expr, session: Session) -> exp.Expr:
    check_count(call, 2, 2)
    location = _location(call, session)
    path = converted(call.expressions[1], Kind.TEXT)
    within = builtin("starts_with", path.copy(), exp.Literal.string(location))
    rest = builtin("substr", path, exp.Literal.number(len(location) + 1))
    return exp.Case(ifs=[exp.If(this=within, true=rest)])

"""Parse ``CREATE FUNCTION`` and ``CREATE PROCEDURE`` into a :class:`Definition`.

https://docs.snowflake.com/en/sql-reference/sql/create-function
"""

from __future__ import annotations

import re

from snowpipe_ml.local.catalog.functions import Argument, Definition, signature
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import Name
from snowpipe_ml.local.core.values import Options, list_option, text_option
from snowpipe_ml.local.syntax.reader import Reader
from snowpipe_ml.local.syntax.script import end_of_block
from snowpipe_ml.sql import DataType

_BLOCK = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(?:BEGIN|DECLARE)\b", re.I | re.S)
# The options that are stored with a definition.
# Versions of Python whose support has ended.
_ENDED = ("3.6", "3.7", "3.8")
_KEPT = {"EXECUTE_AS", "ARTIFACT_REPOSITORY", "RESOURCE_CONSTRAINT", "SECURE"}


def read_signature(reader: Reader) -> str:
    """Parse ``(types)`` in DROP, DESCRIBE and COMMENT ON."""
    reader.expect("(")
    types = []
    while not reader.accept(")"):
        types.append(read_type(reader))
        reader.accept(",")
    return signature(types)


def read_type(reader: Reader) -> str:
    """Parse a data type and return its canonical form."""
    words = [reader.next().text]
    if words[0].upper() == "DOUBLE" and reader.looking_at("PRECISION"):
        words.append(reader.next().text)
    text = " ".join(words)
    if reader.accept("("):
        parameters = [reader.next().text]
        while reader.accept(","):
            parameters.append(reader.next().text)
        reader.expect(")")
        text += f"({', '.join(parameters)})"
    try:
        return DataType.parse(text).sql
    except ValueError as error:
        raise errors.UnsupportedError(f"the type {text} in a function") from error


def read_arguments(reader: Reader) -> tuple[Argument, ...]:
    """Parse ``(name [IN|OUT] type [DEFAULT value], ...)``."""
    reader.expect("(")
    arguments = []
    while not reader.accept(")"):
        name = reader.identifier()
        output = reader.accept("OUT") or reader.accept("OUTPUT")
        if not output:
            reader.accept("IN") or reader.accept("INPUT")
        kind = read_type(reader)
        default = None
        if reader.accept("DEFAULT") or reader.accept("="):
            start = reader.peek().start
            depth = 0
            while depth or reader.peek().text not in (",", ")"):
                depth += {"(": 1, ")": -1}.get(reader.next().text, 0)
            default = reader.text[start : reader.peek().start].strip()
        arguments.append(Argument(name, kind, default, output))
        reader.accept(",")
    return tuple(arguments)


def read_definition(reader: Reader, kind: str, name: Name, arguments: tuple[Argument, ...]) -> Definition:
    """Parse from RETURNS to the end, or to the CALL of an anonymous procedure."""
    reader.expect("RETURNS")
    table: tuple[tuple[str, str], ...] = ()
    returns = ""
    if reader.accept("TABLE"):
        table = tuple((argument.name, argument.type) for argument in read_arguments(reader))
    else:
        returns = read_type(reader)
    reader.accept("NOT", "NULL")
    language, body, strict = "SQL", None, False
    options: Options = {}
    while not reader.done and not reader.looking_at("CALL"):
        if reader.accept("LANGUAGE"):
            language = reader.next().upper
        elif reader.accept("STRICT") or reader.accept("RETURNS", "NULL", "ON", "NULL", "INPUT"):
            strict = True
        elif reader.accept("AS"):
            body = _read_body(reader)
        elif reader.accept("EXECUTE", "AS"):
            reader.accept("RESTRICTED")
            options["EXECUTE_AS"] = reader.next().upper
        elif reader.peek().kind == "word" and reader.peek(1).text == "=":
            options |= reader.options()
        elif not any(
            reader.accept(*words)
            for words in (
                ("CALLED", "ON", "NULL", "INPUT"),
                ("VOLATILE",),
                ("IMMUTABLE",),
                ("MEMOIZABLE",),
                ("SECURE",),
            )
        ):
            raise reader.unexpected()
    if any(argument.output for argument in arguments) and (kind, language) != ("PROCEDURE", "SQL"):
        raise errors.syntax("only procedures with LANGUAGE SQL have OUT arguments")
    _check(kind, language, returns, body, options)
    return Definition(
        kind=kind,
        database=name[0],
        schema=name[1],
        name=name[2],
        arguments=arguments,
        returns=returns,
        table=table,
        language=language,
        runtime=_runtime(options),
        imports=tuple(list_option(options, "IMPORTS")),
        packages=tuple(list_option(options, "PACKAGES")),
        handler=str(options.get("HANDLER", "")),
        strict=strict,
        body=body,
        comment=text_option(options, "COMMENT"),
        options={key: options[key] for key in sorted(_KEPT & set(options))},
    )


def _read_body(reader: Reader) -> str:
    """Parse the code of a function: a string, or a block of Snowflake Scripting without quotes."""
    if reader.peek().upper not in ("BEGIN", "DECLARE"):
        return reader.string()
    begin = reader.peek().start
    reader.index = end_of_block(reader.tokens, reader.index)
    return reader.text[begin : reader.tokens[reader.index - 1].end]


def _runtime(options: Options) -> str:
    """Return the version of Python that a function names.

    Raises:
        ProgrammingError: Snowflake no longer supports the version.
    """
    version = str(options.get("RUNTIME_VERSION", ""))
    version = "3.10" if version == "3.1" else version  # 3.10 without quotes is read as a number
    if version in _ENDED:
        raise errors.syntax(f"Python runtime version {version} is no longer supported")
    return version


def _check(kind: str, language: str, returns: str, body: str | None, options: Options) -> None:
    """Refuse definitions that are not supported here or that Snowflake would refuse."""
    if language == "SQL" and kind in ("FUNCTION", "PROCEDURE") and body is not None:
        if kind == "FUNCTION" and _BLOCK.match(body):
            raise errors.UnsupportedError(
                "functions in Snowflake Scripting", "Procedures in Snowflake Scripting are supported"
            )
        return
    if language != "PYTHON":
        what = "procedures" if kind == "PROCEDURE" else "table functions" if not returns else "functions"
        raise errors.UnsupportedError(f"{what} in {language}", f"{what.capitalize()} in Python are supported")
    for key in set(options) & {"EXTERNAL_ACCESS_INTEGRATIONS", "SECRETS"}:
        raise errors.UnsupportedError(f"{key} of a function")
    if not options.get("HANDLER"):
        raise errors.syntax("a Python function needs HANDLER = 'name'")
    if kind == "PROCEDURE" and not any(
        re.match(r"snowflake[-_]snowpark[-_]python\b", package)
        for package in list_option(options, "PACKAGES")
    ):
        raise errors.syntax("a Python procedure needs the package 'snowflake-snowpark-python' in PACKAGES")

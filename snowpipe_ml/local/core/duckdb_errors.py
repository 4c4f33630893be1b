"""Translation of DuckDB's errors to those that Snowflake raises for the same mistakes.

An error is recognized by its class and by anchored patterns of DuckDB's messages, so that the user's data in a
message is not taken for its cause.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from snowpipe_ml.local.core.errors import (
    TWIN,
    UnsupportedError,
    canceled,
    compilation,
    damaged,
    disk_error,
    error,
    exists,
    invalid_identifier,
    missing,
    syntax,
    unforeseen,
)

if TYPE_CHECKING:
    from snowflake.connector.errors import ProgrammingError

# The messages of the macros sf_raise and sf_refuse.
_RAISED = re.compile(
    r"Conversion Error: Could not convert string 'SNOWFLAKE (\d+) (\w{5}) (.*)' to INT32(?:\n\nLINE |\Z)",
    re.S,
)
_UNKNOWN_ZONE = re.compile(r"Not implemented Error: Unknown TimeZone '(.*?)'!")
_FORBIDDEN_FILE = re.compile(r'Cannot access file "([^"]*)"')
_MISSING_TABLE = re.compile(r"Table with name (\S+?) does not exist", re.I)
_MISSING_SCHEMA = re.compile(r"(?:Schema with name|schema) \"?(\S+?)\"? (?:does not exist|not found)", re.I)
_MISSING_COLUMN = re.compile(
    r'(?:Referenced column|column named|Referenced table) "?([^"\s]+)"? (?:not found|does not)?', re.I
)
_EXISTING = re.compile(r'(?:Table|View|Schema|Sequence) with name "?([^"\s]+)"? already exists', re.I)
_CONVERSION = re.compile(r"Could not convert string ['\"](.*?)['\"] to (\w+)", re.I | re.S)
_TIMESTAMP = re.compile(
    r'(?:timestamp|date|time) field value out of range: "([^"]*)"|invalid (timestamp|date) field format: "([^"]*)"',
    re.I,
)
_UNKNOWN_COLUMN = re.compile(r'Binder Error: Referenced column "([^"\n]+)" not found in FROM clause')
_UNKNOWN_TABLE = re.compile(r'Binder Error: Referenced table "(.+)" not found!')
# The line of a statement, and below it the marks of the expression that DuckDB rejects.
_MARKED = re.compile(r"^(LINE \d+: .*)\n( *)(\^+)\s*\Z", re.M)
_NAME = re.compile(r'(?:"(?:[^"]|"")+"|\w+)(?:\.(?:"(?:[^"]|"")+"|\w+))*')
_PART = re.compile(r'"((?:[^"]|"")+)"|(\w+)')
_NOT_NULL = re.compile(r"NOT NULL constraint failed: (?:\w+\.)?(\w+)", re.I)
_NARROW = re.compile(
    r"Overflow in (?:addition|subtraction|multiplication) of (?:INT32|INT64|DECIMAL\(18\))"
    r"|Type (?:INT128|DOUBLE|DECIMAL\(\d+,\d+\)) with value -?[\d.]+(?:e\+?[1-3]?\d)? can't be cast [^\n]*destination type INT64"
    r"|Failed to cast decimal value -?[\d.]+ to type INT64"
    r"|Could not convert string ['\"]\s*[+-]?\d{19,38}\s*['\"] to INT64"
)


def _marked_name(text: str) -> str | None:
    """Return the name that DuckDB marks in a statement, its parts joined by periods; None if it marks none."""
    found = _MARKED.search(text)
    if found is None:
        return None
    line, before, marks = found.groups()
    marked = line[len(before) : len(before) + len(marks)]
    if _NAME.fullmatch(marked) is None:
        return None
    return ".".join((part[1] or part[2]).replace('""', '"') for part in _PART.finditer(marked))


def needs_wide_numbers(raised: Exception) -> bool:
    """Return whether a statement of DuckDB failed because a whole number has more than 64 bits."""
    return _NARROW.search(str(raised)) is not None


# Patterns of DuckDB's messages, and the error that Snowflake raises for the same mistake.
_SPECIFIC: tuple[tuple[re.Pattern[str], Callable[..., ProgrammingError]], ...] = (
    (
        re.compile(r"Overflow in (?:addition|subtraction|multiplication) of (?:DECIMAL\(38\)|INT128)"),
        lambda: error(100046, "22003", "Number out of representable range: type FIXED[SB16](38,0)"),
    ),
    (
        _NARROW,
        lambda: UnsupportedError("whole numbers of more than 64 bits in this place"),
    ),
    # What a macro raises, in Snowflake's words: see the macros of core/macros.
    (
        re.compile(r"^Invalid Input Error: (\d{6}) \((\w{5})\): (.*)", re.S),
        lambda number, state, message: error(int(number), state, message),
    ),
    (
        re.compile(r"^Invalid Input Error: (the embedded warehouse does not support .*)", re.S),
        lambda message: UnsupportedError.of(message),
    ),
    (
        re.compile(r"UnsupportedError: [\d() A-Z:]*(the embedded warehouse does not support [^\n]*)"),
        lambda message: UnsupportedError.of(message),
    ),
    (
        # Raised by our macros and functions, with Snowflake's number and state.
        re.compile(r"sf_error (-?\d+) (\w{5}): ([^\n]*)"),
        lambda number, state, message: (
            UnsupportedError.of(message) if number == "2" else error(int(number), state, message)
        ),
    ),
    (
        re.compile(r"cast \(TIMESTAMP(?:TZ_NS| WITH TIME ZONE) -> TIME\)"),
        lambda: UnsupportedError("a time zone in a TIME", "Read it as a TIMESTAMP_TZ first"),
    ),
    (
        re.compile(r"Expected array of size (\d+), but got .* with size (\d+)", re.S),
        lambda dimension, size: ProgrammingError(
            f"an ARRAY of {size} elements cannot be cast to a VECTOR of the dimension {dimension}",
            sqlstate="22000",
        ),
    ),
    (
        re.compile(r"STRUCT\(utc TIMESTAMP, tz SMALLINT\)"),
        lambda: UnsupportedError("this use of a TIMESTAMP_TZ"),
    ),
    (
        re.compile(r"^\w+ ?\w* Error: Current transaction is aborted"),
        lambda: UnsupportedError(
            "continuing a transaction after a statement in it failed", "ROLLBACK and begin it again"
        ),
    ),
    (
        re.compile(
            r"^Binder Error: (?:table .* has|Column name/value mismatch for insert on .*: expected) "
            r"(\d+) columns but (\d+) values were supplied"
        ),
        lambda columns, values: error(
            2020,
            "21S01",
            "SQL compilation error:\nInsert value list does not match column list "
            f"expecting {columns} but got {values}",
        ),
    ),
    (
        re.compile(r"^[A-Z][A-Za-z ]* Error: Division by zero", re.I),
        lambda: error(100051, "22012", "Division by zero"),
    ),
    (
        re.compile(r'CHECK\(\(length\("?(.*?)"?\) <= (\d+)\)\)'),
        lambda column, size: error(
            100078, "22000", f"String is too long for column {column}, which holds {size} characters"
        ),
    ),
    (
        re.compile(r"^[A-Z][A-Za-z ]* Error: [^'\"]*cannot affect the same target row more than once"),
        lambda: error(100090, "42P18", "Duplicate row detected during DML action"),
    ),
    (
        re.compile(r'(?:Could not cast value|Casting value) "?([^"\s]+)"? to (?:type )?DECIMAL'),
        lambda value: error(100039, "22003", f"Numeric value '{value}' is out of range"),
    ),
    (
        re.compile(r'Ambiguous reference to column name "?([^"\s]+)"?'),
        lambda name: error(2028, "42601", f"SQL compilation error:\nambiguous column name '{name}'"),
    ),
    (
        re.compile(
            r"^Binder Error: (?:Star expression .* resulted in an empty set of columns|SELECT list is empty)"
        ),
        lambda: error(1080, "42601", "SQL compilation error:\nSELECT with no columns"),
    ),
    (
        re.compile(r"^[A-Z][A-Za-z ]* Error: More than one row returned by a subquery"),
        lambda: error(90150, "22000", "Single-row subquery returns more than one row."),
    ),
    (
        re.compile(r"^[A-Z][A-Za-z ]* Error: [^'\"]*cannot contain aggregates"),
        lambda: compilation("an aggregate is not a valid group by expression"),
    ),
    (
        re.compile(r"^(?:Binder|Parser|Invalid Input) Error: Frame (?:starting|ending|start|end)"),
        lambda: compilation("Invalid window frame: its start is after its end"),
    ),
    (
        re.compile(r"^Binder Error: GROUPING statement cannot be used without groups"),
        lambda: compilation("GROUPING function without a GROUP BY clause"),
    ),
    (
        re.compile(r"^Invalid Input Error: Argument for ntile must be greater than zero"),
        lambda: compilation("NTILE argument must be at least 1", "22023"),
    ),
    (
        re.compile(r'Could not parse string "(.*?)" according to format specifier', re.S),
        lambda value: error(100035, "22007", f"Timestamp '{value}' is not recognized"),
    ),
    (
        re.compile(r'^Conversion Error: Unimplemented type for cast \([^\n]* -> "NULL"\)'),
        lambda: UnsupportedError("a NULL without a type in the first part of a recursive query", "Cast it"),
    ),
    (
        re.compile(r"^Binder Error: (ORDER|GROUP BY) term out of range"),
        lambda clause: error(
            1003, "42000", f"SQL compilation error:\ninvalid {clause.split()[0]} BY position"
        ),
    ),
    (
        re.compile(r'^Binder Error: The "arg" argument in function "listagg" must be a constant'),
        lambda: error(
            1015, "22023", "SQL compilation error:\nargument 2 to function LISTAGG needs to be constant"
        ),
    ),
    (
        re.compile(r"^Catalog Error: Cannot drop column: table only has one column remaining"),
        lambda: compilation("cannot drop all columns of a table"),
    ),
    (
        re.compile(r"^Binder Error: Cannot extract field \'?(\S+?)\'? from expression"),
        lambda name: invalid_identifier(name.strip("'\"")),
    ),
    (
        re.compile(r"^Parser Error: SELECT clause without selection list"),
        lambda: error(1003, "42000", "SQL compilation error:\nsyntax error: a SELECT list is expected."),
    ),
    (
        re.compile(r'^Parser Error: Duplicate CTE name "?([^"\n]+?)"?(?:\n|\Z)'),
        lambda name: error(2027, "42601", f"SQL compilation error:\nduplicate alias '{name}'"),
    ),
    (
        re.compile(r"^Parser Error: Table must have at least one column"),
        lambda: error(
            1003, "42000", "SQL compilation error:\nsyntax error unexpected ')': a column is expected."
        ),
    ),
    (
        re.compile(r"^Parser Error: WHEN NOT MATCHED[^\n]*cannot be combined with"),
        lambda: error(
            1003,
            "42000",
            "SQL compilation error:\nsyntax error: WHEN NOT MATCHED can only be followed by INSERT.",
        ),
    ),
    (
        re.compile(r"^Conversion Error: Date out of range: (-?\d+-\d+-\d+)"),
        lambda value: error(100040, "22007", f"Date '{value}' is not recognized"),
    ),
    (
        re.compile(r"^[A-Z][A-Za-z ]* Error: Map keys must be unique"),
        lambda: syntax("Duplicate field key of an OBJECT"),
    ),
    (
        re.compile(
            "no argument for repetition|missing [\\])]|invalid (?:character class|escape sequence)|Invalid regular"
        ),
        lambda: error(100048, "2201B", "Invalid regular expression"),
    ),
    (
        re.compile(r'column "([^"]+)" must appear in the GROUP BY clause or be used in an aggregate'),
        lambda name: error(
            979, "42601", f"SQL compilation error:\n[{name}] is not a valid group by expression"
        ),
    ),
    (
        re.compile(r'column "([^"]+)" must appear in the GROUP BY'),
        lambda name: error(
            1104,
            "42601",
            f"SQL compilation error:\n'{name}' in select clause is neither an aggregate nor in the group by clause.",
        ),
    ),
    (
        re.compile(r'^Binder Error: [A-Z][a-z ]* "([^"\n]+)" does not have a column named "([^"\n]+)"'),
        lambda table, name: invalid_identifier(f"{table}.{name}"),
    ),
    (
        re.compile(r'^Binder Error: Column "([^"\n]+)" does not exist on (?:left|right) side of join'),
        invalid_identifier,
    ),
    (
        re.compile(r'^Binder Error: Column ""(.+)"" referenced in UNPIVOT but no'),
        invalid_identifier,
    ),
    (
        re.compile(r'^Binder Error: Column "([^"\n]+)" in (?:EXCLUDE|REPLACE|RENAME) list not found'),
        lambda name: error(904, "42000", f"SQL compilation error:\ncolumn '{name}' does not exist"),
    ),
    (
        re.compile(r'^Binder Error: Duplicate column name "([^"\n]+)" in INSERT'),
        lambda name: error(2025, "42S21", f"SQL compilation error:\nduplicate column name '{name}'"),
    ),
    (
        re.compile(r'^Binder Error: table "[^"\n]+" has (\d+) columns available but (\d+) columns specified'),
        lambda available, given: compilation(
            f"a relation has {available} columns, and its alias names {given}"
        ),
    ),
    (
        re.compile(r"^Binder Error: Set operations can only apply to expressions with the same number"),
        lambda: error(
            1789,
            "42601",
            "SQL compilation error:\ninvalid number of result columns for set operator input branches",
        ),
    ),
    (
        re.compile(
            r"^Binder Error: at least one window function must appear in the SELECT column or QUALIFY"
        ),
        lambda: compilation("found QUALIFY clause but no window function."),
    ),
    (
        re.compile(r"^Binder Error: Subquery returns (\d+) columns - expected (\d+)"),
        lambda given, expected: compilation(
            f"invalid number of result columns of a subquery, expected {expected}, got {given}"
        ),
    ),
    (
        re.compile(r'(?:does not have a column with name "|Referenced update column )([^"\s]+)'),
        invalid_identifier,
    ),
    (
        re.compile(r"^Parser Error: (?:YEAR|MONTH|DAY|HOUR|MINUTE|SECOND)(?: TO \w+)? is not supported"),
        lambda: UnsupportedError("values of the type INTERVAL", "Add or subtract intervals from dates"),
    ),
    # Statements that parse as Snowflake SQL, that DuckDB rejects, and that match no pattern above.
    (re.compile(r"^(?:Parser|Not implemented) Error: ([^\n]*)"), UnsupportedError.unread),
    (
        re.compile(
            r"^Binder Error: ([^\n]*(?:cannot be volatile|not yet supported|not supported|not implemented)[^\n]*)"
        ),
        lambda text: UnsupportedError.unread(text),
    ),
    (
        re.compile(r"cast \((\w+) -> (\w+)"),
        lambda source, target: error(
            1065,
            "22023",
            f"SQL compilation error:\nInvalid argument types for function 'CAST': ({source}) to {target}",
        ),
    ),
)


def _unconvertible(value: str, kind: str) -> ProgrammingError:
    """Make the error for a text that cannot be cast to a DuckDB type."""
    if "DATE" in kind.upper() or "TIME" in kind.upper():
        return error(100035, "22007", f"Timestamp '{value}' is not recognized")
    if kind.upper() in ("BOOL", "BOOLEAN"):
        return error(100037, "22018", f"Boolean value '{value}' is not recognized")
    if kind.upper() == "DECIMAL" and re.fullmatch(r"[+-]?\d+(\.\d+)?", value.strip()):
        return error(100039, "22003", f"Numeric value '{value}' is out of range")
    return error(100038, "22018", f"Numeric value '{value}' is not recognized")


def translate(raised: Exception) -> ProgrammingError:
    """Convert a DuckDB error to the error that Snowflake raises for the same mistake."""
    text = str(raised).strip().replace(TWIN, "")
    first = text.split("\n\n")[0].split("\nLINE ")[0]
    kind = type(raised).__name__  # by name, to avoid importing DuckDB
    if kind == "InterruptException":
        return canceled()
    if kind == "PermissionException" and (match := _FORBIDDEN_FILE.search(text)):
        # DuckDB takes the name of a missing table for that of a file.
        return missing("Object", match.group(1))
    if failed := disk_error(raised) or damaged(raised):
        return failed
    # First the messages that quote the user's data or names, in which any other pattern might match.
    if match := _RAISED.match(text):
        number, sqlstate, message = match.groups()
        return UnsupportedError.of(message) if number == "2" else error(int(number), sqlstate, message)
    if match := _UNKNOWN_ZONE.match(text):
        return error(100094, "22023", f"Unknown timezone: '{match.group(1)}'")
    if kind == "ConversionException" and _NARROW.search(first):
        return UnsupportedError("whole numbers of more than 64 bits in this place")
    if kind == "ConversionException" and (match := _CONVERSION.search(text)):
        return _unconvertible(*match.groups())
    if kind == "BinderException" and (match := _UNKNOWN_COLUMN.match(text)):
        return invalid_identifier(match.group(1))
    if kind == "BinderException" and (match := _UNKNOWN_TABLE.match(text)):
        return invalid_identifier(_marked_name(text) or match.group(1))
    for pattern, known in _SPECIFIC:
        if match := pattern.search(text):
            return known(*match.groups())
    if match := _MISSING_TABLE.search(text):
        return missing("Object", match.group(1).strip("!").upper())
    if match := _EXISTING.search(text):
        return exists(match.group(1))
    if match := _CONVERSION.search(text):
        return _unconvertible(*match.groups())
    if match := _TIMESTAMP.search(text):
        value = next(g for g in match.groups() if g is not None and g.lower() not in ("timestamp", "date"))
        return error(100035, "22007", f"Timestamp '{value}' is not recognized")
    if match := _NOT_NULL.search(text):
        return error(100072, "22000", f"NULL result in a non-nullable column {match.group(1)}")
    if "Referenced column" in text and (match := _MISSING_COLUMN.search(text)):
        return error(904, "42000", f"SQL compilation error:\ninvalid identifier '{match.group(1)}'")
    if "Schema" in text and (match := _MISSING_SCHEMA.search(text)):
        return missing("Schema", match.group(1))
    return unforeseen(first)

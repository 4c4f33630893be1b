"""File formats as steps: created if missing; of an existing one, only the options that differ are changed.

CREATE OR REPLACE would drop the privileges on a file format, and its ties to the external tables that use it:
https://docs.snowflake.com/en/sql-reference/sql/create-file-format
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from snowpipe_ml.plugins import Change, Changes, Kind, PlanContext, StepPlan
from snowpipe_ml.plugins.connection import Asks
from snowpipe_ml.spec import models
from snowpipe_ml.sql import Literal, Sql, join, sql
from snowpipe_ml.steps.declared.step import DeclaredStep

# Words that are values of options, and are written without quotes.
_AUTO, _NONE = Sql("AUTO"), Sql("NONE")


class FileFormatStep(DeclaredStep):
    """A named file format."""

    type_name = "file_format"
    kind = Kind.FILE_FORMAT
    listed_as = "FILE FORMATS"

    model: models.FileFormat

    def statements(self, ctx: PlanContext) -> Iterator[Sql]:
        yield sql(
            "CREATE FILE FORMAT IF NOT EXISTS {name} TYPE = CSV {options}",
            name=self.object,
            options=_listed(
                {
                    option: value
                    for option, value in self._options().items()
                    if value is not _AUTO and (value is not _NONE or option == "ESCAPE_UNENCLOSED_FIELD")
                }
            ),
        )

    def plan(self, ctx: PlanContext) -> StepPlan:
        if self.elsewhere:
            return super().plan(ctx)
        return StepPlan(
            f"create the file format {self.object} if it does not exist; otherwise change the options that differ",
            tuple(self.statements(ctx)),
        )

    def differences(self, ctx: PlanContext, target: Asks, shown: Mapping[str, object]) -> Changes:
        described = target.execute(sql("DESCRIBE FILE FORMAT {name}", name=self.object))
        there = {str(row["property"]): str(row["property_value"]) for row in described}
        if there.get("TYPE", "CSV").upper() != "CSV":
            return Changes(
                refused=f"the file format {self.object} has the type {there['TYPE']}, which cannot be changed, and the "
                f"spec declares CSV: drop it with DROP FILE FORMAT {self.object.sql} and run again, or rename it in the "
                "spec"
            )
        # How DESCRIBE escapes a character is not documented: at worst an option is set to what it is.
        changed = {
            option: value
            for option, value in self._options().items()
            if _comparable(there.get(option, "")) != _comparable(_text(value))
        }
        if not changed:
            return Changes()
        return Changes(
            tuple(Change(o.lower(), there.get(o, "unset"), _text(value)) for o, value in changed.items()),
            (sql("ALTER FILE FORMAT {name} SET {options}", name=self.object, options=_listed(changed)),),
        )

    def _options(self) -> dict[str, Sql | Literal]:
        """Return the value of each option that a spec can set."""
        f = self.model
        enclosed, escape = f.field_optionally_enclosed_by, f.escape_unenclosed_field
        return {
            "COMPRESSION": Literal(f.compression.upper()),
            "FIELD_DELIMITER": Literal(f.field_delimiter),
            "SKIP_HEADER": Literal(f.skip_header),
            "FIELD_OPTIONALLY_ENCLOSED_BY": _NONE if enclosed is None else Literal(enclosed),
            "ESCAPE_UNENCLOSED_FIELD": _NONE if escape == "none" else Literal(escape),
            "NULL_IF": Literal(list(f.null_if)),
            "EMPTY_FIELD_AS_NULL": Literal(f.empty_field_as_null),
            "TRIM_SPACE": Literal(f.trim_space),
            "ERROR_ON_COLUMN_COUNT_MISMATCH": Literal(f.error_on_column_count_mismatch),
            "ENCODING": Literal(f.encoding),
            "DATE_FORMAT": _AUTO if f.date_format is None else Literal(f.date_format),
            "TIME_FORMAT": _AUTO if f.time_format is None else Literal(f.time_format),
            "TIMESTAMP_FORMAT": _AUTO if f.timestamp_format is None else Literal(f.timestamp_format),
        }


def _listed(options: dict[str, Sql | Literal]) -> Sql:
    return join(" ", [sql("{o} = {value}", o=Sql(option), value=value) for option, value in options.items()])


def _text(value: Sql | Literal) -> str:
    """Return the value of an option as DESCRIBE FILE FORMAT prints it."""
    if isinstance(value, Sql):
        return value.text
    given = value.value
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, list):
        return "[" + ", ".join(map(str, given)) + "]"
    return str(given)


def _comparable(text: str) -> str:
    """Return a value without its escapes."""
    return text.replace("\\\\", "\\").replace('\\"', '"').replace("\\'", "'")

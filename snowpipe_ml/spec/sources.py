"""The models of the section ``sources`` of a spec."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from snowpipe_ml.plugins import ColumnName, ColumnType, ObjectName, TableName
from snowpipe_ml.spec.base import Model, ObjectKey
from snowpipe_ml.text.encodings import Encoding


class SourceFrom(Model):
    """The origin of a source's rows on one target: a file, a query or a table."""

    file: str | None = Field(None, description="A CSV file with a header line")
    generator: str | None = Field(
        None, description="module.py:function that generates the file when `file` is 'sample'"
    )
    field_delimiter: str = Field(",", min_length=1, description="Between the fields of `file`")
    encoding: Encoding = Field("UTF8", description="Character set of `file`, such as WINDOWS1252")
    rename: dict[str, ColumnName] = Field({}, description="Header in the file: column of the source")
    share: str | None = Field(None, description="Share from which `database` is created")
    database: ObjectName | None = None
    query: str | None = Field(None, description="SQL file with a SELECT; the source is a view of it")
    table: TableName | None = Field(None, description="An existing table or view")

    @model_validator(mode="after")
    def _one_way(self) -> SourceFrom:
        if sum(way is not None for way in (self.file, self.query, self.table)) != 1:
            raise ValueError("give exactly one of file, query and table")
        if self.file is None and (self.field_delimiter != "," or self.encoding != "UTF8"):
            raise ValueError("field_delimiter and encoding belong to file")
        if (self.share is None) != (self.database is None):
            raise ValueError("give share and database together: the database is created from the share")
        return self


Trigger = Literal["change", "daily", "weekly", "monthly", "never"]
"""Which changes of a source start the steps that read it."""


class Source(Model):
    """An input table or view from outside the pipeline, with its own origin on each target."""

    columns: dict[ObjectKey, ColumnType] = Field(min_length=1)
    from_: dict[str, SourceFrom] = Field(
        alias="from", min_length=1, description="Origin of the rows, by target name or target type"
    )
    trigger: Trigger = Field(
        "change",
        exclude=True,  # fingerprints do not contain it
        description="Which changes start the steps that read the source. change: each; daily, weekly, monthly: "
        "those in a later day, week or month (UTC) than the last success of the step; never: none. A step that runs "
        "for another reason reads the newest rows",
    )
    comment: str | None = None

"""The query that passes the series of a features table to a forecaster's table function, by partition."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from snowpipe_ml.models.quantiles import quantile_column
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, join, sql
from snowpipe_ml.steps.forecasting.features import Features

AUTO, WHOLE = 16, 1_000_000_000


def explanation_column(name: Identifier) -> Identifier:
    """Return the column with the attribution of a feature in a prediction."""
    return Identifier(f"{name.name}_EXPLANATION")


def result_columns(
    features: Features, *, artifacts: bool = False, quantiles: Sequence[float] = ()
) -> list[tuple[Identifier, str]]:
    """Return the result columns of the function, as :class:`snowpipe_ml.models.rows.Rows` creates them."""
    names = features.feature_columns
    date = features.settings.periods.type
    fixed = {"SERIES": "VARCHAR", "DATE": date, "PART": "VARCHAR", "MODEL": "VARCHAR", "ORIGIN": date}
    numbers = ("ACTUAL", "PREDICTION", "LOW", "HIGH", "BASE", "FOLD", "SCALE", "SQUARED_SCALE")
    of_models = ("GAIN", "WEIGHT", "SECONDS")
    return [
        *((Identifier(name), kind) for name, kind in fixed.items()),
        *((Identifier(name), "FLOAT") for name in (*numbers, *of_models)),
        *((Identifier(quantile_column(each)), "FLOAT") for each in quantiles),
        *((name, "FLOAT") for name in names),
        *((explanation_column(name), "FLOAT") for name in names),
        (Identifier("MESSAGE"), "VARCHAR"),
        *([(Identifier("ARTIFACT"), "BINARY")] if artifacts else []),
    ]


def argument_count(features: Features) -> int:
    """Return the number of arguments of the function: the series, the date, the target and the features."""
    return 3 + len(features.feature_columns)


def create_function(
    name: QualifiedName,
    features: Features,
    options: Sql,
    *,
    artifacts: bool = False,
    quantiles: Sequence[float] = (),
) -> Sql:
    """Return the statement that creates the function.

    Args:
        name: the name of the function.
        features: the step whose columns are its arguments.
        options: the clauses that locate its code.
        artifacts: whether it returns models.
        quantiles: the probabilities of the quantiles that it returns.
    """
    arguments = [
        Sql("SERIES VARCHAR"),
        Sql(f"DATE {features.settings.periods.type}"),
        sql("{target} FLOAT", target=features.settings.target),
    ]
    arguments += [sql("{name} FLOAT", name=name) for name in features.feature_columns]
    columns = result_columns(features, artifacts=artifacts, quantiles=quantiles)
    returned = [sql("{name} {kind}", name=name, kind=Sql(kind)) for name, kind in columns]
    return sql(
        "CREATE OR REPLACE FUNCTION {name} ({arguments}) COPY GRANTS RETURNS TABLE ({returned}) {options}",
        name=name,
        arguments=join(", ", arguments),
        returned=join(", ", returned),
        options=options,
    )


@dataclass(frozen=True)
class PanelCall:
    """A call of the function.

    Attributes:
        function: its name.
        step: the step that writes the features.
        features: the table with the history.
        future: the table with the future periods.
        size: the approximate number of series per partition.
        returned: the result columns to select, the series first.
        sample: how many of the series are passed, chosen by a hash of their keys; None for all.
    """

    function: QualifiedName
    step: Features
    features: QualifiedName
    future: QualifiedName
    size: int
    returned: Iterable[Identifier]
    sample: int | None = None

    @property
    def key(self) -> Identifier:
        """The column that identifies a series."""
        return self.step.settings.partition_by

    def query(self) -> Sql:
        """Return the query of all series, in partitions of nearly equal size; a hash separates neighbors."""
        columns, key = [self.step.settings.target, *self.step.feature_columns], self.key
        listed = join(", ", [key, Identifier("DATE"), *columns])
        taken = join(
            ", ",
            [
                sql("A.{key}::VARCHAR AS SERIES", key=key),
                Sql("A.DATE"),
                Sql("P.BUCKET"),
                *(sql("A.{name}::FLOAT AS {name}", name=name) for name in columns),
            ],
        )
        given = [Identifier("SERIES"), Identifier("DATE"), *columns]
        known = Sql("")
        if self.step.settings.targets:  # a period may have another one
            known = sql(" WHERE {target} IS NOT NULL", target=self.step.settings.target)
        series = sql(
            "SELECT DISTINCT {key} FROM {features}{known}", key=key, features=self.features, known=known
        )
        if self.sample is not None:
            series = sql(
                "SELECT {key} FROM {features}{known} GROUP BY {key} ORDER BY MD5({key}::VARCHAR), {key} LIMIT {sample}",
                key=key,
                features=self.features,
                known=known,
                sample=Literal(self.sample),
            )
        _, *others = self.returned
        return sql(
            "WITH PARTITIONS AS (\n"
            "  SELECT {key}, MOD(ROW_NUMBER() OVER (ORDER BY MD5({key}::VARCHAR), {key}), "
            "GREATEST(1, CEIL(COUNT(*) OVER () / {size}))) AS BUCKET\n  FROM ({series})\n"
            "), DAYS AS (\n  SELECT {listed} FROM {features}{known}\n  UNION ALL\n  SELECT {listed} FROM {future}\n), T AS (\n"
            "  SELECT {taken}\n  FROM DAYS A JOIN PARTITIONS P ON P.{key} = A.{key}\n)\n"
            "SELECT F.SERIES AS {key}, {returned}\n"
            "FROM T, TABLE({function}({arguments}) OVER (PARTITION BY T.BUCKET ORDER BY T.SERIES, T.DATE)) AS F",
            key=key,
            size=Literal(self.size),
            series=series,
            features=self.features,
            future=self.future,
            listed=listed,
            known=known,
            taken=taken,
            returned=join(", ", [sql("F.{name}", name=name) for name in others]),
            function=self.function,
            arguments=join(", ", [sql("T.{name}", name=name) for name in given]),
        )

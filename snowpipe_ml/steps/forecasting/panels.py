"""The query that gives the series of a features table to a forecaster's table function, partition by partition."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, join, sql
from snowpipe_ml.steps.forecasting.features import Features

AUTO, WHOLE = 16, 1_000_000_000


def explanation_column(name: Identifier) -> Identifier:
    """The column that says how much a feature counted in a prediction."""
    return Identifier(f"{name.name}_EXPLANATION")


def result_columns(features: Features, *, artifacts: bool = False) -> list[tuple[Identifier, str]]:
    """The columns that the function returns, as :class:`snowpipe_ml.models.rows.Rows` makes them."""
    names = features.feature_columns
    fixed = {"SERIES": "VARCHAR", "DATE": "DATE", "PART": "VARCHAR", "MODEL": "VARCHAR", "ORIGIN": "DATE"}
    numbers = ("ACTUAL", "PREDICTION", "LOW", "HIGH", "BASE", "FOLD", "SCALE", "SQUARED_SCALE", "GAIN")
    return [
        *((Identifier(name), kind) for name, kind in fixed.items()),
        *((Identifier(name), "FLOAT") for name in numbers),
        *((name, "FLOAT") for name in names),
        *((explanation_column(name), "FLOAT") for name in names),
        (Identifier("MESSAGE"), "VARCHAR"),
        *([(Identifier("ARTIFACT"), "BINARY")] if artifacts else []),
    ]


def create_function(name: QualifiedName, features: Features, options: Sql, *, artifacts: bool = False) -> Sql:
    """The statement that creates the function.

    Args:
        name: of the function.
        features: whose columns are its arguments.
        options: where its code is.
        artifacts: whether it returns models.
    """
    arguments = [
        Sql("SERIES VARCHAR"),
        Sql("DATE DATE"),
        sql("{target} FLOAT", target=features.settings.target),
    ]
    arguments += [sql("{name} FLOAT", name=name) for name in features.feature_columns]
    columns = result_columns(features, artifacts=artifacts)
    returned = [sql("{name} {kind}", name=name, kind=Sql(kind)) for name, kind in columns]
    return sql(
        "CREATE OR REPLACE FUNCTION {name} ({arguments}) RETURNS TABLE ({returned}) {options}",
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
        step: the step that made the features.
        features: the table with the history.
        future: the table with the days to come.
        size: how many series a partition has, about.
        returned: the columns to select of what it returns, the series first.
    """

    function: QualifiedName
    step: Features
    features: QualifiedName
    future: QualifiedName
    size: int
    returned: Iterable[Identifier]

    @property
    def key(self) -> Identifier:
        """The column that tells the series apart."""
        return self.step.settings.partition_by

    def query(self) -> Sql:
        """The rows of all series; partitions are as even as can be, and by a hash, so that neighbours are apart."""
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
        _, *others = self.returned
        return sql(
            "WITH PARTITIONS AS (\n"
            "  SELECT {key}, MOD(ROW_NUMBER() OVER (ORDER BY MD5({key}::VARCHAR), {key}), "
            "GREATEST(1, CEIL(COUNT(*) OVER () / {size}))) AS BUCKET\n  FROM (SELECT DISTINCT {key} FROM {features})\n"
            "), DAYS AS (\n  SELECT {listed} FROM {features}\n  UNION ALL\n  SELECT {listed} FROM {future}\n), T AS (\n"
            "  SELECT {taken}\n  FROM DAYS A JOIN PARTITIONS P ON P.{key} = A.{key}\n)\n"
            "SELECT F.SERIES AS {key}, {returned}\n"
            "FROM T, TABLE({function}({arguments}) OVER (PARTITION BY T.BUCKET ORDER BY T.SERIES, T.DATE)) AS F",
            key=key,
            size=Literal(self.size),
            features=self.features,
            future=self.future,
            listed=listed,
            taken=taken,
            returned=join(", ", [sql("F.{name}", name=name) for name in others]),
            function=self.function,
            arguments=join(", ", [sql("T.{name}", name=name) for name in given]),
        )

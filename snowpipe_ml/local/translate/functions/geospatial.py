"""Functions of GEOGRAPHY and GEOMETRY, and of H3 cells.

https://docs.snowflake.com/en/sql-reference/functions-geospatial
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from snowpipe_ml.local.core import errors, geohashes, hexagons, overlays, points
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.expressions import builtin, called, stored_cast
from snowpipe_ml.local.translate.registry import Returns, scalar_function
from snowpipe_ml.local.translate.shapes import SHAPES, json_result, parsed_shape
from snowpipe_ml.local.translate.signatures import Kind, check_count, converted
from snowpipe_ml.local.translate.type_names import wrong_type
from snowpipe_ml.local.translate.types import TEXTS, T, kind

for _module in (geohashes, hexagons, overlays, points):  # they register the functions in Python
    assert _module.__name__

_STORED = {"F": (Kind.FLOAT, "DOUBLE"), "I": (Kind.INTEGER, "BIGINT"), "T": (Kind.TEXT, "VARCHAR")}


def _first_kind(arguments: list[exp.Expr]) -> exp.DataType | None:
    return next((a.type for a in arguments if kind(a) in SHAPES), None)


_TYPES: dict[str, Returns] = {
    "array": T.ARRAY,
    "bytes": T.VARBINARY,
    "cell": lambda arguments: exp.DataType(this=T.VARCHAR if kind(arguments[0]) in TEXTS else T.BIGINT),
    "float": T.DOUBLE,
    "geography": T.GEOGRAPHY,
    "geometry": T.GEOMETRY,
    "number": T.BIGINT,
    "object": T.OBJECT,
    "same": _first_kind,
    "text": T.VARCHAR,
    "truth": T.BOOLEAN,
}


@dataclass(frozen=True, slots=True)
class _Signature:
    """A function that is computed in Python.

    Attributes:
        takes: a letter for each parameter: S a shape, G a GEOGRAPHY, M a GEOMETRY, C a cell, A an array, and
            those of numbers and texts. The last ones can be omitted if they have defaults.
        returns: a key of ``_TYPES``.
    """

    to: str
    takes: str
    returns: str
    defaults: tuple[str, ...] = ()

    def __call__(self, call: exp.Expr, session: Session) -> exp.Expr:
        check_count(call, len(self.takes) - len(self.defaults), len(self.takes))
        given = list(call.expressions)
        missing = len(self.takes) - len(given)
        given += [exp.Literal.number(text) for text in self.defaults[len(self.defaults) - missing :]]
        shapes = {kind(g) for g in given if kind(g) in SHAPES}
        if len(shapes) > 1:
            raise wrong_type(call.name.upper(), *call.expressions)
        arguments = [
            self._argument(call, node, letter) for node, letter in zip(given, self.takes, strict=True)
        ]
        name = self.to
        if self.returns == "same":
            name += ":geometry" if T.GEOMETRY in shapes else ":geography"
        if self.returns == "cell" and kind(given[0]) in TEXTS:
            name += ":text"
        made = called(name, *arguments)
        if self.returns in ("array", "object"):
            return json_result(made, T.ARRAY if self.returns == "array" else T.OBJECT)
        return made

    def _argument(self, call: exp.Expr, node: exp.Expr, letter: str) -> exp.Expr:
        if letter in _STORED:
            to, stored = _STORED[letter]
            return stored_cast(converted(node, to), stored)
        if isinstance(node, exp.Null):
            return stored_cast(exp.Null(), "STRUCT(geography BLOB)" if letter in "SG" else "VARCHAR")
        found = kind(node)
        wanted = {"S": SHAPES, "G": {T.GEOGRAPHY}, "M": {T.GEOMETRY}}.get(letter)
        if wanted is not None and found not in wanted:
            raise wrong_type(call.name.upper(), *call.expressions)
        if letter == "A":
            return stored_cast(converted(node, Kind.VARIANT), "VARCHAR")
        if letter == "C" and found not in TEXTS:
            return stored_cast(converted(node, Kind.INTEGER), "BIGINT")
        return node.copy()


def _serve(names: str, takes: str, returns: str, *defaults: str) -> None:
    first = names.split()[0].lower()
    for name in names.split():
        scalar_function(name, returns=_TYPES[returns])(_Signature(first, takes, returns, defaults))


for _names, _takes, _returns in (
    ("ST_AREA", "S", "float"),
    ("ST_ASEWKB", "S", "bytes"),
    ("ST_ASEWKT", "S", "text"),
    ("ST_ASGEOJSON", "S", "object"),
    ("ST_ASWKB ST_ASBINARY", "S", "bytes"),
    ("ST_ASWKT ST_ASTEXT", "S", "text"),
    ("ST_AZIMUTH", "SS", "float"),
    ("ST_BUFFER", "MF", "geometry"),
    ("ST_CENTROID", "S", "same"),
    ("ST_CONTAINS", "SS", "truth"),
    ("ST_COVEREDBY", "SS", "truth"),
    ("ST_COVERS", "SS", "truth"),
    ("ST_DIFFERENCE", "SS", "same"),
    ("ST_DIMENSION", "S", "number"),
    ("ST_DISJOINT", "SS", "truth"),
    ("ST_DISTANCE", "SS", "float"),
    ("ST_DWITHIN", "GGF", "truth"),
    ("ST_ENDPOINT", "S", "same"),
    ("ST_ENVELOPE", "S", "same"),
    ("ST_GEOGPOINTFROMGEOHASH", "TI", "geography"),
    ("ST_GEOGFROMGEOHASH", "TI", "geography"),
    ("ST_GEOHASH", "SI", "text"),
    ("ST_GEOMPOINT ST_MAKEGEOMPOINT", "FF", "geometry"),
    ("ST_GEOMFROMGEOHASH", "TI", "geometry"),
    ("ST_GEOMPOINTFROMGEOHASH", "TI", "geometry"),
    ("ST_HAUSDORFFDISTANCE", "GG", "float"),
    ("ST_INTERSECTION", "SS", "same"),
    ("ST_INTERSECTS", "SS", "truth"),
    ("ST_ISVALID", "S", "truth"),
    ("ST_LENGTH", "S", "float"),
    ("ST_MAKELINE", "SS", "same"),
    ("ST_MAKEPOLYGON ST_POLYGON", "S", "same"),
    ("ST_MAKEPOLYGONORIENTED", "G", "geography"),
    ("ST_NPOINTS ST_NUMPOINTS", "S", "number"),
    ("ST_PERIMETER", "S", "float"),
    ("ST_POINT ST_MAKEPOINT", "FF", "geography"),
    ("ST_POINTN", "SI", "same"),
    ("ST_SETSRID", "MI", "geometry"),
    ("ST_SIMPLIFY", "SF", "same"),
    ("ST_SRID", "S", "number"),
    ("ST_STARTPOINT", "S", "same"),
    ("ST_SYMDIFFERENCE", "SS", "same"),
    ("ST_UNION", "SS", "same"),
    ("ST_WITHIN", "SS", "truth"),
    ("ST_X", "S", "float"),
    ("ST_XMAX", "S", "float"),
    ("ST_XMIN", "S", "float"),
    ("ST_Y", "S", "float"),
    ("ST_YMAX", "S", "float"),
    ("ST_YMIN", "S", "float"),
    ("H3_CELL_TO_BOUNDARY", "C", "geography"),
    ("H3_CELL_TO_CHILDREN H3_CELL_TO_CHILDREN_STRING", "CI", "array"),
    ("H3_CELL_TO_PARENT", "CI", "cell"),
    ("H3_CELL_TO_POINT", "C", "geography"),
    ("H3_COMPACT_CELLS H3_COMPACT_CELLS_STRINGS", "A", "array"),
    ("H3_COVERAGE", "GI", "array"),
    ("H3_COVERAGE_STRINGS", "GI", "array"),
    ("H3_GET_RESOLUTION", "C", "number"),
    ("H3_GRID_DISK", "CI", "array"),
    ("H3_GRID_DISTANCE", "CC", "number"),
    ("H3_GRID_PATH", "CC", "array"),
    ("H3_INT_TO_STRING", "I", "text"),
    ("H3_IS_PENTAGON", "C", "truth"),
    ("H3_IS_VALID_CELL", "C", "truth"),
    ("H3_LATLNG_TO_CELL", "FFI", "number"),
    ("H3_LATLNG_TO_CELL_STRING", "FFI", "text"),
    ("H3_POINT_TO_CELL", "GI", "number"),
    ("H3_POINT_TO_CELL_STRING", "GI", "text"),
    ("H3_POLYGON_TO_CELLS", "GI", "array"),
    ("H3_POLYGON_TO_CELLS_STRINGS", "GI", "array"),
    ("H3_STRING_TO_INT", "T", "number"),
    ("H3_TRY_COVERAGE", "GI", "array"),
    ("H3_TRY_COVERAGE_STRINGS", "GI", "array"),
    ("H3_TRY_GRID_DISTANCE", "CC", "number"),
    ("H3_TRY_GRID_PATH", "CC", "array"),
    ("H3_TRY_POLYGON_TO_CELLS", "GI", "array"),
    ("H3_TRY_POLYGON_TO_CELLS_STRINGS", "GI", "array"),
    ("H3_UNCOMPACT_CELLS H3_UNCOMPACT_CELLS_STRINGS", "AI", "array"),
):
    _serve(_names, _takes, _returns, *(("20",) if "GEOHASH" in _names else ()))


def _aggregate(name: str) -> None:
    @scalar_function(name, returns=_first_kind)
    def aggregated(call: exp.Expr, session: Session) -> exp.Expr:
        """Translate an aggregate of shapes; ST_COLLECT also combines two."""
        check_count(call, 1, 2 if name == "ST_COLLECT" else 1)
        if len(call.expressions) == 2:
            return _Signature("st_collect", "SS", "same")(call, session)
        (shape,) = call.expressions
        found = kind(shape)
        if found not in SHAPES:
            raise wrong_type(call.name.upper(), *call.expressions)
        if isinstance(call.parent, exp.Window):
            raise errors.UnsupportedError(f"{name} as a window function")
        to = "st_collect_agg" if name == "ST_COLLECT" else name.lower()
        return called(
            f"{to}:{'geometry' if found == T.GEOMETRY else 'geography'}", builtin("list", shape.copy())
        )


for _name in ("ST_COLLECT", "ST_INTERSECTION_AGG", "ST_UNION_AGG"):
    _aggregate(_name)


def _flag(node: exp.Expr) -> exp.Expr:
    return stored_cast(converted(node, Kind.BOOLEAN), "BOOLEAN")


def _parse(names: str, to: exp.DType) -> None:
    @scalar_function(*names.split(), returns=to)
    def parse(call: exp.Expr, session: Session) -> exp.Expr:
        """Translate ``TO_GEOGRAPHY(x [, allow_invalid])`` and ``TO_GEOMETRY(x [, srid] [, allow_invalid])``."""
        check_count(call, 1, 2 if to == T.GEOGRAPHY else 3)
        value, *rest = call.expressions
        srid: exp.Expr = exp.Literal.number("-1")
        if rest and to == T.GEOMETRY and kind(rest[0]) != T.BOOLEAN:
            srid = stored_cast(converted(rest.pop(0), Kind.INTEGER), "BIGINT")
        invalid = _flag(rest.pop(0)) if rest else exp.false()
        if rest:
            raise wrong_type(call.name.upper(), *call.expressions)
        trying = call.name.upper().startswith("TRY_")
        made = parsed_shape(value, to, srid, invalid, trying)
        if made is None:
            raise wrong_type(call.name.upper(), *call.expressions)
        return made


_parse("TO_GEOGRAPHY TRY_TO_GEOGRAPHY", T.GEOGRAPHY)
_parse("TO_GEOMETRY TRY_TO_GEOMETRY", T.GEOMETRY)
for _stem, _kind in (
    ("GEOG", T.GEOGRAPHY),
    ("GEOGRAPHY", T.GEOGRAPHY),
    ("GEOM", T.GEOMETRY),
    ("GEOMETRY", T.GEOMETRY),
):
    for _from in ("WKB", "EWKB", "WKT", "EWKT", "TEXT"):
        _parse(f"ST_{_stem}FROM{_from}", _kind)

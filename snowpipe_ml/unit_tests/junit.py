"""Test results as JUnit XML, which CI services read."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from snowpipe_ml.unit_tests.runner import TestResult


def write_junit(path: Path, suite: str, results: Sequence[TestResult]) -> None:
    """Write results as one test suite: https://github.com/testmoapp/junitxml.

    Args:
        path: the file.
        suite: the name of the suite.
        results: the results.
    """
    root = ET.Element("testsuites")
    group = ET.SubElement(
        root,
        "testsuite",
        name=suite,
        tests=str(len(results)),
        failures=str(sum(not result.ok for result in results)),
        time=f"{sum(result.seconds for result in results):.3f}",
    )
    for result in results:
        file, _, line = result.place.rpartition(":")
        case = ET.SubElement(
            group,
            "testcase",
            classname=suite,
            name=result.name,
            file=file,
            line=line,
            time=f"{result.seconds:.3f}",
        )
        for failure in result.failures:
            element = ET.SubElement(case, "failure", message=failure.partition("\n")[0])
            element.text = failure
    ET.indent(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)

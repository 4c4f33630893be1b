"""Measure the coverage of every Python process of `make coverage`.

Python imports this module when it starts, because `make coverage` puts its folder on PYTHONPATH. Coverage
starts if COVERAGE_PROCESS_START names its configuration. A forked process continues with a file of its own.
"""

from __future__ import annotations

import os

if "COVERAGE_PROCESS_START" in os.environ:
    import coverage

    coverage.process_startup()

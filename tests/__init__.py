"""The tests run in a process per core, where more threads for linear algebra would only wait for one another."""

import os

for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

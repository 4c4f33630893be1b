"""Read a spec: YAML with positions, templates, validation, and frozen models of the declared objects."""

from snowpipe_ml.spec.loader import NO_RUN, Spec, load_spec
from snowpipe_ml.text.problems import Position, Problem

__all__ = ["NO_RUN", "Position", "Problem", "Spec", "load_spec"]

"""Checks for authors of step types, forecasters and targets, as scikit-learn has ``check_estimator``.

Each raises :class:`AssertionError` with a sentence that says what is wrong::

    from snowpipe_ml.testing import check_step

    def test_my_step():
        check_step("deduplicate")
"""

from snowpipe_ml.testing.forecasters import check_forecaster
from snowpipe_ml.testing.steps import check_step
from snowpipe_ml.testing.targets import check_target

__all__ = ["check_forecaster", "check_step", "check_target"]

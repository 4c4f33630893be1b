"""What a forecaster is: fit on rows in the order of time, predict, explain."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


class Forecaster(ABC):
    """A model of one series. Rows are days in order, columns the features."""

    @abstractmethod
    def fit(self, x: np.ndarray, y: np.ndarray) -> None:
        """Learn from the first part of a history. The days it is scored on are not among these.

        Args:
            x: features, (days, features), finite.
            y: targets, (days,), finite.
        """

    @abstractmethod
    def predict(self, x: np.ndarray) -> np.ndarray:
        """Predictions (days,) for features (days, features)."""

    @abstractmethod
    def explain(self, x: np.ndarray) -> np.ndarray:
        """How much each feature counted, (days, features); each row sums to 1."""

"""Logistic regression by the WebAssembly core of raisin: the same bits as in every other host."""

from .classifier import RaisinClassifier
from .core import Core, CoreError, ValueRangeError
from .model import Model, ModelError
from .verify import NotRepeatableError, Verdict, verify_run

__version__ = "0.1.0"
__all__ = [
    "Core",
    "CoreError",
    "Model",
    "ModelError",
    "NotRepeatableError",
    "RaisinClassifier",
    "ValueRangeError",
    "Verdict",
    "verify_run",
]

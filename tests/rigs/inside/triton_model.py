"""
A model for Triton's Python backend that takes as long as its caller asks for.

Runs inside the server. Its one input is seconds: it sleeps that long and answers the same number.
Below zero the whole execution raises, which is the failure that Triton counts as its backend's.
"""

import importlib
import time
from typing import Any


class TritonPythonModel:
    """The name that Triton looks for."""

    def __init__(self) -> None:
        # Not an import statement: type checkers run where the backend's module is absent.
        self._backend = importlib.import_module("triton_python_backend_utils")

    def execute(self, requests: list[Any]) -> list[Any]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        asked = self._backend.get_input_tensor_by_name(request, "seconds").as_numpy()
        seconds = float(asked.max())
        if seconds < 0.0:
            raise ValueError("told to fail")
        time.sleep(seconds)
        return self._backend.InferenceResponse([self._backend.Tensor("seconds", asked)])

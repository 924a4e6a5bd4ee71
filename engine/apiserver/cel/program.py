"""Compiled expressions and their evaluation, within a budget.

Source of the limits: k8s.io/apiserver/pkg/apis/cel/config.go; ours are of time and of the worst case's steps.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import ModuleType
from typing import Any

from engine.apiserver.cel.building import build
from engine.apiserver.cel.functions import FUNCTIONS
from engine.apiserver.cel.rewriting import nesting, rewritten

MOST_STEPS = 2_000_000
"""Of one expression over one object: half a second."""
SECONDS = 1.0
"""For all expressions over one object."""


class CelError(Exception):
    """An expression that cannot be compiled, or that failed on its input; the text is for the user."""


class BudgetExceeded(CelError):
    """Evaluating goes on too long."""


class Budget:
    """Time for all expressions over one object."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._end = time.monotonic() + seconds

    def check(self) -> None:
        """Raises BudgetExceeded."""
        if time.monotonic() > self._end:
            raise BudgetExceeded(
                "validation failed due to running out of cost budget, no further validation rules will be run"
            )


@lru_cache(1)
def _library() -> Any:
    """The compiled part of the library, without the shell that its package loads: a second and 30 MB less."""
    found = importlib.util.find_spec("cel")
    if found is None or found.submodule_search_locations is None:
        raise ImportError("the library common-expression-language is not installed")
    if "cel" not in sys.modules:
        package = ModuleType("cel")
        package.__path__ = list(found.submodule_search_locations)
        sys.modules["cel"] = package
    return importlib.import_module("cel.cel")


def something(value: Any) -> Any:
    """An optional that has a value."""
    return _library().OptionalValue.of(value)


def nothing() -> Any:
    """An optional without one."""
    return _library().OptionalValue.none()


@lru_cache(1)
def _functions() -> dict[str, Any]:
    return {**FUNCTIONS, "optField": _opt_field, "optIndex": _opt_index, "_built": build(_unwrapped)}


def _unwrapped(optional: Any) -> tuple[bool, Any]:
    if isinstance(optional, _library().OptionalValue):
        return (True, optional.value()) if optional.has_value() else (False, None)
    return True, optional


def _opt_field(target: Any, name: str) -> Any:
    optional = _library().OptionalValue
    if isinstance(target, optional):
        if not target.has_value():
            return target
        target = target.value()
    return optional.of(target[name]) if isinstance(target, dict) and name in target else optional.none()


def _opt_index(target: Any, key: Any) -> Any:
    optional = _library().OptionalValue
    if isinstance(target, optional):
        if not target.has_value():
            return target
        target = target.value()
    if isinstance(target, list):
        return optional.of(target[key]) if 0 <= key < len(target) else optional.none()
    return _opt_field(target, key)


@lru_cache(2048)
def compiled(source: str) -> Any:
    """The program of an expression. Raises CelError with where it goes wrong."""
    try:
        return _library().compile(rewritten(source))
    except ValueError as error:
        text = str(error)
        raise CelError(text[text.find("ERROR:") :] if "ERROR:" in text else text) from error


def evaluate(
    source: str,
    variables: Mapping[str, Any],
    budget: Budget,
    *,
    size: int = 0,
    functions: Mapping[str, Callable[..., Any]] | None = None,
) -> Any:
    """The value of an expression; `size` is how many elements its input has, `functions` are further ones.

    Raises CelError.
    """
    budget.check()
    depth = nesting(source)
    if depth > 1 and size**depth > MOST_STEPS:
        raise BudgetExceeded("operation cancelled: actual cost limit exceeded")
    program = compiled(source)
    try:
        known = {**_functions(), **functions} if functions else _functions()
        return program.execute(_library().Context(variables=dict(variables), functions=known))
    except KeyError as error:
        raise CelError(f"no such key: {error.args[0]}") from error
    except ZeroDivisionError as error:
        raise CelError("division by zero") from error
    except (TypeError, ValueError, RuntimeError, IndexError, ArithmeticError) as error:
        raise CelError(str(error).partition(". CEL does not")[0]) from error


def size_of(value: Any) -> int:
    """How many elements a value has in its largest list or map."""
    if isinstance(value, dict):
        return max(len(value), max(map(size_of, value.values()), default=0))
    if isinstance(value, list):
        return max(len(value), max(map(size_of, value), default=0))
    return 1

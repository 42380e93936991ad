"""The sentence below each field of a dataclass, which Python itself does not keep."""

import ast
import dataclasses
import inspect
from collections.abc import Iterator
from typing import cast


def sentences(cls: type) -> dict[str, str]:
    """Field → what is said below it, of *cls* and of the dataclasses that it inherits from."""
    told: dict[str, str] = {}
    for one in reversed(cls.__mro__):
        if dataclasses.is_dataclass(one):
            told.update(_own(one))
    return told


def _own(cls: type) -> Iterator[tuple[str, str]]:
    (node,) = ast.parse(inspect.cleandoc(inspect.getsource(cls))).body
    body = cast("ast.ClassDef", node).body
    for field, after in zip(body, [*body[1:], ast.Pass()], strict=True):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            text = after.value if isinstance(after, ast.Expr) else None
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                yield field.target.id, " ".join(text.value.split())

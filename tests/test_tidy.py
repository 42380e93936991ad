"""What the linters cannot say: lengths, charters, banned names, dead modules, leaks."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = (
    "vocabulary", "store", "estimators", "fleet", "collectors", "detectors", "remediations",
    "metering", "simulator", "incidents", "dashboard", "service",
)  # fmt: skip
BANNED_NAMES = re.compile(r"(^|_)(utils?|helpers?|managers?|common|misc)(_|$)")
WORD_LISTS = {"vocabulary/metrics.py", "vocabulary/signals.py", "vocabulary/failure_modes.py"}
"""Each is the one place of its words: a list is one idea, however long it grows."""
SOURCES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_modules_and_functions_stay_short_enough_to_hold_one_idea(path: Path) -> None:
    text = path.read_text()
    most = 900 if relative(path) in WORD_LISTS else 400
    assert len(text.splitlines()) <= most, f"a module over {most} lines holds more than one idea"
    for function in functions(ast.parse(text)):
        length = (function.end_lineno or function.lineno) - function.lineno + 1
        assert length <= 70, f"{function.name} has {length} lines"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert len(docstring) >= 20
    assert len(docstring.splitlines()[0]) <= 100


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_a_charter_that_says_what_does_not_belong(room: str) -> None:
    charter = ast.get_docstring(ast.parse((ROOT / room / "__init__.py").read_text())) or ""
    assert re.search(r"\b(no|nothing|never|not|only|alone|nowhere|none)\b", charter, re.IGNORECASE)


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_names_say_what_a_thing_is(path: Path) -> None:
    assert not BANNED_NAMES.search(path.stem)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            snake = re.sub(r"(?<!^)(?=[A-Z])", "_", node.name).lower()
            assert not BANNED_NAMES.search(snake), node.name


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_logic_asks_a_clock_for_the_time(path: Path) -> None:
    if relative(path) == "service/clock.py":
        return
    calls = re.findall(r"\btime\.time\(\)|datetime\.now\(|datetime\.utcnow\(", path.read_text())
    assert not calls, "time is an argument: take a vocabulary.contracts.Clock"


def test_no_console_file_bears_a_rooms_name() -> None:
    names = {path.stem for path in (ROOT / "dashboard").glob("*.py")}
    assert not names & set(ROOMS)


def test_tests_are_no_packages() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_rooms_are_imported_from_this_checkout() -> None:
    import importlib

    for room in ROOMS:
        module = importlib.import_module(room)
        assert Path(str(module.__file__)).resolve().is_relative_to(ROOT)


def test_modules_are_used() -> None:
    """A module that nobody imports, and that no discovery finds, is dead."""
    discovered = {"collectors", "detectors", "remediations", "simulator/faults",
                  "simulator/look_alikes", "dashboard/views"}  # fmt: skip
    entries = {"service/cli/__init__.py", "dashboard/app.py", "service/console_process.py"}
    everything = "\n".join(
        path.read_text()
        for folder in (*ROOMS, "tests", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
    )
    dead = []
    for path in SOURCES:
        name = relative(path)
        if path.stem == "__init__" or name in entries:
            continue
        if str(path.parent.relative_to(ROOT)) in discovered and not path.stem.startswith("_"):
            continue
        package = ".".join(path.parent.relative_to(ROOT).parts)
        spellings = (
            rf"from {re.escape(package)}\.{path.stem} import",
            rf"import {re.escape(package)}\.{path.stem}\b",
            rf"from {re.escape(package)} import [^\n]*\b{path.stem}\b",
            rf"from {re.escape(package)} import \([^)]*\b{path.stem}\b",
        )
        if not any(re.search(spelling, everything) for spelling in spellings):
            dead.append(name)
    assert not dead

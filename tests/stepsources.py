"""Which code makes a step's results, and its digest; `make steps` writes the record that the tests compare with.

A module's digest is of its syntax tree without docstrings: comments, layout and Python's version leave it as it is.
"""

import ast
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from lensrank.steps import STEP_VERSIONS

PROJECT = Path(__file__).resolve().parents[1]
LIBRARY = PROJECT / "workflow"
RECORD = Path(__file__).with_name("stepsources.json")

WITHOUT_RESULTS = {"lensrank", "lensrank.cli", "lensrank.errors", "lensrank.progress", "lensrank.steps"}
"""Modules that change no result: words for the user, and the versions themselves."""
RUN_AS_PROGRAMS = {"lensrank.engines.openvino_engine": ["lensrank.engines.openvino_convert"]}
"""Modules that another one runs in a process of its own."""


def digest(source: str) -> str:
    """Digest of a module's code."""
    return hashlib.sha256(json.dumps(_plain(ast.parse(source))).encode()).hexdigest()[:16]


def _plain(node: Any) -> Any:
    """A syntax tree as lists; what is empty is left out, because versions of Python differ in that."""
    if isinstance(node, ast.AST):
        fields = {name: getattr(node, name, None) for name in node._fields}
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            fields["body"] = [line for line in node.body if not _is_text(line)]
        if isinstance(node, ast.JoinedStr):
            # Python 3.12 puts an empty text into some of them.
            fields["values"] = [part for part in node.values if getattr(part, "value", None) != ""]
        full = {name: value for name, value in fields.items() if value not in (None, [])}
        return [type(node).__name__, *([name, _plain(value)] for name, value in full.items())]
    return [_plain(item) for item in node] if isinstance(node, list) else repr(node)


def _is_text(line: ast.stmt) -> bool:
    """Docstrings of functions and classes, and those below a name."""
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str)


@cache
def step_modules(step: str) -> set[str]:
    """Modules of the library that a step's script imports, and those that they import."""
    found: set[str] = set()
    waiting = set(_imports((PROJECT / f"scripts/{step}.py").read_text()))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting |= _imports(_path(name).read_text()) | set(RUN_AS_PROGRAMS.get(name, ()))
    return found - WITHOUT_RESULTS


@cache
def _imports(source: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] == "lensrank" and _path(name).exists()}


def _path(module: str) -> Path:
    folder = LIBRARY.joinpath(*module.split("."))
    return folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")


def current() -> dict[str, Any]:
    """Versions of all steps, and digests of their modules."""
    modules = sorted(set().union(*map(step_modules, STEP_VERSIONS)))
    return {"versions": STEP_VERSIONS, "modules": {name: digest(_path(name).read_text()) for name in modules}}


if __name__ == "__main__":
    RECORD.write_text(json.dumps(current(), indent=2) + "\n")

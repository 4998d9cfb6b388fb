"""Label expressions. Takes a truth table and a text such as "1 - no_source", gives a number per row; no code is run.

An expression is made of the table's columns, numbers, `+ - * / % **`, comparisons, `and`, `or`, `not`, parentheses and
the functions of `FUNCTIONS`. The name of a column alone is an expression, whatever characters it holds.
"""

import ast
import functools
import operator
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from lensrank.errors import TruthError, nearest

FUNCTIONS: dict[str, Callable[..., np.ndarray]] = {
    "abs": np.abs,
    "isfinite": np.isfinite,
    "log10": np.log10,
    "max": lambda *values: functools.reduce(np.maximum, values),
    "min": lambda *values: functools.reduce(np.minimum, values),
}
_BINARY: dict[type[ast.operator], Callable[..., np.ndarray]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Mod: np.mod,
    ast.Pow: np.power,
}
_UNARY: dict[type[ast.unaryop], Callable[..., np.ndarray]] = {
    ast.UAdd: np.positive,
    ast.USub: np.negative,
    ast.Not: lambda value: ~_truth(value),
}
_COMPARE: dict[type[ast.cmpop], Callable[..., np.ndarray]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def evaluate(expression: str, table: pd.DataFrame) -> np.ndarray:
    """Value of an expression for every row of a table.

    Arithmetic with an empty cell or NaN gives NaN; every comparison with one is false, also `!=`.

    Args:
        expression: such as "is_lens", "1 - no_source" or "n_source_im > 0 and mag_eff > 1.6".
        table: (n) rows; the columns that the expression names hold numbers, or true and false.

    Returns:
        (n,) float64; comparisons and logic give 0 or 1.

    Raises:
        TruthError: the expression cannot be read, or a column is unknown or holds text.
    """
    expression = expression.strip()
    if expression in table.columns:
        return _numbers(expression, table)
    try:
        tree = ast.parse(expression, mode="eval")
    except (SyntaxError, ValueError) as error:
        raise TruthError(f"label '{expression}': not an expression: {error}.") from error
    try:
        with np.errstate(all="ignore"):
            value = _value(tree.body, table)
    except TruthError as error:
        raise TruthError(f"label '{expression}': {error}") from error
    return np.broadcast_to(np.asarray(value, dtype=np.float64), len(table)).copy()


def columns_hint(word: str, known: Iterable[str]) -> str:
    """A hint that ends a message: the column most like an unknown one, then all of them.

    Args:
        word: what was asked for.
        known: what there is; at most 30 are listed.
    """
    words = [str(name) for name in known]
    close = nearest(word, words)
    listed = ", ".join(words[:30]) + (f" and {len(words) - 30} more" if len(words) > 30 else "")
    return (f"Did you mean '{close}'? " if close else "") + f"There are: {listed or 'none'}."


def _value(node: ast.expr, table: pd.DataFrame) -> np.ndarray:
    match node:
        case ast.Constant(value=int() | float() as number):
            return np.asarray(number, dtype=np.float64)
        case ast.Name(id=name):
            return _numbers(name, table)
        case ast.BinOp(op=op) if type(op) in _BINARY:
            return _BINARY[type(op)](_number(node.left, table), _number(node.right, table))
        case ast.UnaryOp(op=op) if type(op) in _UNARY:
            return _UNARY[type(op)](_number(node.operand, table))
        case ast.BoolOp(op=op, values=parts):
            logic = np.logical_and if isinstance(op, ast.And) else np.logical_or
            return functools.reduce(logic, [_truth(_number(part, table)) for part in parts])
        case ast.Compare(ops=ops) if all(type(op) in _COMPARE for op in ops):
            return _compared(node, table)
        case ast.Call(func=ast.Name(id=name), args=[_, *_], keywords=[]) if name in FUNCTIONS:
            return _called(name, [_number(argument, table) for argument in node.args])
    raise TruthError(
        f"'{ast.unparse(node)}' is not understood; an expression is made of columns, numbers, + - * / % **, "
        f"comparisons, and, or, not, and {', '.join(FUNCTIONS)}."
    )


def _number(node: ast.expr, table: pd.DataFrame) -> np.ndarray:
    return np.asarray(_value(node, table), dtype=np.float64)


def _compared(node: ast.Compare, table: pd.DataFrame) -> np.ndarray:
    values = [_number(value, table) for value in (node.left, *node.comparators)]
    pairs = zip(node.ops, values[:-1], values[1:], strict=True)
    steps = [_COMPARE[type(op)](a, b) & ~np.isnan(a) & ~np.isnan(b) for op, a, b in pairs]
    return functools.reduce(np.logical_and, steps)


def _called(name: str, arguments: list[np.ndarray]) -> np.ndarray:
    if len(arguments) > 1 and name not in ("max", "min"):
        raise TruthError(f"{name}() takes one value, not {len(arguments)}.")
    return FUNCTIONS[name](*arguments)


def _truth(value: np.ndarray) -> np.ndarray:
    return (value != 0) & ~np.isnan(value)


def _numbers(name: str, table: pd.DataFrame) -> np.ndarray:
    if name not in table.columns:
        raise TruthError(f"no column '{name}'. {columns_hint(name, table.columns)}")
    column = table[name]
    values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    text = np.isnan(values) & column.notna().to_numpy()
    if text.any():
        raise TruthError(f"column '{name}' holds '{column[text].iloc[0]}', which is not a number.")
    return values

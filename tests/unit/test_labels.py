"""Label expressions: their values, and what is said of those that cannot be read."""

import numpy as np
import pandas as pd
import pytest

from lensrank.errors import TruthError
from lensrank.labels import evaluate

TABLE = pd.DataFrame(
    {
        "is_lens": [1, 0, 1, 0],
        "no_source": [0, 1, 1, 0],
        "n_source_im": [2, 0, 1, 1],
        "mag_eff": [3.0, np.nan, 1.6, 9.0],
        "n_pix_source": [30, 5, 40, 20],
        "odd name (x)": [1, 1, 0, 0],
        "flag": [True, False, None, True],
        "text": ["1", "0", "yes", ""],
    }
)


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("is_lens", [1, 0, 1, 0]),
        (" is_lens ", [1, 0, 1, 0]),
        ("1 - no_source", [1, 0, 0, 1]),
        ("n_source_im > 0 and mag_eff > 1.6 and n_pix_source > 20", [1, 0, 0, 0]),
        ("n_source_im > 0 or mag_eff > 1.6", [1, 0, 1, 1]),
        ("not is_lens", [0, 1, 0, 1]),
        ("not mag_eff > 2", [0, 1, 1, 0]),
        ("mag_eff != 3", [0, 0, 1, 1]),
        ("mag_eff == mag_eff", [1, 0, 1, 1]),
        ("isfinite(mag_eff)", [1, 0, 1, 1]),
        ("mag_eff", [3, np.nan, 1.6, 9]),
        ("-(mag_eff + 1)", [-4, np.nan, -2.6, -10]),
        ("1 < mag_eff <= 3", [1, 0, 1, 0]),
        ("n_pix_source % 20 == 0", [0, 0, 1, 1]),
        ("n_source_im ** 2 / 2", [2, 0, 0.5, 0.5]),
        ("max(n_source_im, is_lens, 1)", [2, 1, 1, 1]),
        ("min(n_source_im, 1)", [1, 0, 1, 1]),
        ("abs(n_source_im - 2)", [0, 2, 1, 1]),
        ("log10(n_pix_source) > 1.5", [0, 0, 1, 0]),
        ("odd name (x)", [1, 1, 0, 0]),
        ("flag", [1, 0, np.nan, 1]),
        ("True", [1, 1, 1, 1]),
        ("1 / (is_lens - 1) < 0", [0, 1, 0, 1]),
        ("9 ** 9 ** 9 ** 9 > 1", [1, 1, 1, 1]),
    ],
)
def test_value_of_an_expression(expression, values):
    np.testing.assert_array_equal(evaluate(expression, TABLE), np.array(values, dtype=float))


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("n_sorce_im > 0", "no column 'n_sorce_im'. Did you mean 'n_source_im'?"),
        ("IS_LENS", "Did you mean 'is_lens'?"),
        ("text", "'yes', which is not a number"),
        ("text == 1", "'yes', which is not a number"),
        ("is_lens = 1", "not an expression"),
        ("", "not an expression"),
        ("is_lens >", "not an expression"),
        ("(is_lens > 0) & (no_source > 0)", "'(is_lens > 0) & (no_source > 0)' is not understood"),
        ("__import__('os').system('true')", "is not understood"),
        ("is_lens.__class__", "is not understood"),
        ("(lambda: 1)()", "is not understood"),
        ("[1 for x in is_lens]", "is not understood"),
        ("'1'", "is not understood"),
        ("open(is_lens)", "is not understood"),
        ("abs()", "is not understood"),
        ("log10(is_lens, 2)", "log10() takes one value, not 2"),
        ("is_lens in no_source", "is not understood"),
        ("1j", "is not understood"),
    ],
)
def test_what_is_not_an_expression_is_refused_by_name(expression, said):
    with pytest.raises(TruthError) as caught:
        evaluate(expression, TABLE)
    assert said in str(caught.value)


def test_agrees_with_pandas_on_random_numbers():
    rng = np.random.default_rng(5)
    table = pd.DataFrame(rng.normal(size=(500, 3)), columns=["a", "b", "c"])
    for expression in ("a + b * c - 2 ** a", "a > b > 0 and not c < a or b < -1", "(a - b) / (c + 10) % 2"):
        np.testing.assert_allclose(evaluate(expression, table), table.eval(expression).astype(float), rtol=1e-14)

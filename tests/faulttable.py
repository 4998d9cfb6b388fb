"""The table of faults at the end of a run of the tests: what was done to a run, what happened, what was lost.

A test tells what it saw by `fault_row`; the rows of tests that passed are printed, no others.
"""

from collections.abc import Callable, Iterator

import pytest

COLUMNS = ("fault", "where", "how often", "what happened", "what was lost")
Tell = Callable[[str, str, int, str, str], None]


@pytest.fixture
def fault_row(request: pytest.FixtureRequest) -> Tell:
    """A function that takes a row of the table, one value for each of `COLUMNS`, as the test observed them."""

    def tell(fault: str, where: str, times: int, happened: str, lost: str) -> None:
        request.node.user_properties.append(("fault", (fault, where, str(times), happened, lost)))

    return tell


def table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Lines of a Markdown table."""
    for row in (COLUMNS, ("---",) * len(COLUMNS), *rows):
        yield f"| {' | '.join(value.replace('|', '/') for value in row)} |"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    passed = [report for report in terminalreporter.getreports("passed") if report.when == "call"]
    rows = [tuple(value) for report in passed for name, value in report.user_properties if name == "fault"]
    if rows:
        terminalreporter.section("faults")
        for line in table(rows):
            terminalreporter.write_line(line)

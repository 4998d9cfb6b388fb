"""What tests in all folders have."""

from faulttable import fault_row, pytest_terminal_summary

__all__ = ["fault_row", "pytest_terminal_summary"]

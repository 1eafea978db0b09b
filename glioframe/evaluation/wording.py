"""Counts in words."""

from __future__ import annotations


def count(number: int, noun: str) -> str:
    """``1 patient``, ``8 patients``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

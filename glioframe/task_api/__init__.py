"""The contract that a task plugin's author reads: :mod:`task`, :mod:`run`, :mod:`registry`."""

#!/usr/bin/env bash
# Sets up the environment and runs every check: format, lint, types, import contracts, tests.
# Arguments go to pytest, e.g. -k suv.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source setup_scripts/environment.sh

check() {
  echo "== $* (${SECONDS} s so far)" >&2
  "$@"
}

check ruff format --check .
check ruff check .
check mypy
check lint-imports
check pytest -n auto --dist loadfile "$@"
echo "All checks passed after ${SECONDS} s." >&2

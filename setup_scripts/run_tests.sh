#!/usr/bin/env bash
# Sets up the environment and runs every check: format, lint, types, import contracts, tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source setup_scripts/environment.sh
ruff format --check .
ruff check .
mypy
lint-imports
pytest "$@"

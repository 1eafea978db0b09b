#!/usr/bin/env bash
# From nothing to a report: environment, simulated cohort, plan, preprocessing, cross-validation.
# Everything goes to ./glioframe_home, or to GLIOFRAME_HOME where it is set. Running it again goes on
# where it stopped.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

export GLIOFRAME_HOME="${GLIOFRAME_HOME:-$PWD/glioframe_home}"
dataset="Dataset001_Demo"
results="${GLIOFRAME_RESULTS:-$GLIOFRAME_HOME/results}/$dataset"

step() {
  echo
  echo "== $1 (${SECONDS} s so far)"
  shift
  echo "\$ $*"
  "$@"
}

if [ ! -d "${GLIOFRAME_RAW:-$GLIOFRAME_HOME/raw}/$dataset" ]; then
  step "1/4 Simulate a cohort" glioframe_simulate -d 1 --name Demo
fi
step "2/4 Check it" glioframe_check_dataset -d 1
step "3/4 Plan and preprocess" glioframe_plan_and_preprocess -d 1
resume=""
if [ -n "$(find "$results" -type d -name 'fold_*' 2>/dev/null)" ]; then resume="--c"; fi
# shellcheck disable=SC2086 # no option is no argument
step "4/4 Train every fold and evaluate" glioframe_train 1 recurrence_classifier 3d_cnn all $resume
echo
echo "Done after ${SECONDS} s. Open the report in a browser:"
find "$results" -path '*/crossval/report.html'

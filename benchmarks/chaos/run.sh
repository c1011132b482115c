#!/usr/bin/env bash
# The chaos study: all runs, then docs/chaos.md and its figures. About three quarters of an hour on one core;
# options go to the runs, such as --executor processes --workers 8. What is done is kept in out/chaos.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
"$python" -m benchmarks.chaos.run "$@"
"$python" -m benchmarks.chaos.page

#!/usr/bin/env bash
# Makes the peers' environment: benchmarks/speed/peers/setup.sh [DIRECTORY]
# The directory is .venv-peers at the root of the repository if none is given; PYTHON names the interpreter,
# 3.11 or newer with wheels for all that requirements.txt pins. torch.compile also needs a C++ compiler.
set -euo pipefail
cd "$(dirname "$0")/../../.."
venv=${1:-.venv-peers}

test -x "$venv/bin/python" || "${PYTHON:-python3}" -m venv "$venv"
# No dependencies are followed: some would bring other builds of torch, gigabytes large.
"$venv/bin/python" -m pip install --disable-pip-version-check --no-deps -r benchmarks/speed/peers/requirements.txt
"$venv/bin/python" - <<'PYTHON'
import evosax.algorithms
import evotorch.algorithms
import evox.algorithms
import evox.workflows
import jax
import torch

names = ("evosax", "evotorch", "evox")
print(*names, "on JAX", jax.__version__, "and PyTorch", torch.__version__)
PYTHON
command -v g++ >/dev/null || echo "no g++: peers that use torch.compile will be skipped" >&2

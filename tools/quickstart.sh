#!/usr/bin/env bash
# From a fresh clone to a trained model: installs what is missing, builds, trains a small Sparse
# Transformer on lacuna's own sources, evaluates it and prints a sample.
set -eu
cd "$(dirname "$0")/.."

bash tools/packages.sh
cmake --preset release
cmake --build --preset release --target lacuna
lacuna=build/release/lacuna

"$lacuna" train configs/quickstart.toml --overwrite
echo
"$lacuna" eval runs/quickstart
echo
"$lacuna" sample runs/quickstart --prompt '// The ' --length 400

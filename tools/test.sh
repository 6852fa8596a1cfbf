#!/usr/bin/env bash
# Installs what is missing, builds everything with warnings as errors and runs all tests that need no
# GPU. `tools/test.sh debug` does the same under the address and undefined-behaviour sanitizers.
set -eu
cd "$(dirname "$0")/.."
preset=${1:-ci}

LACUNA_MORE_PACKAGES=iproute2 bash tools/packages.sh  # for the test of two hosts
bash tools/python.sh
cmake --preset "$preset"
cmake --build --preset "$preset"
ctest --test-dir "build/$preset" --output-on-failure --parallel "$(nproc)"

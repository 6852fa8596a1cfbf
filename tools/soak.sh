#!/usr/bin/env bash
# kill -9 at random moments, COUNT times (default 100), each followed by resume; the run must end with the
# bytes of an undisturbed one: tools/soak.sh [COUNT] [SEED] [PROCESSES]. What it checks: tests/system/soak.py. The build is
# that of the preset in LACUNA_PRESET (default release).
set -eu
cd "$(dirname "$0")/.."
preset=${LACUNA_PRESET:-release}

bash tools/packages.sh
cmake --preset "$preset"
cmake --build --preset "$preset" --target lacuna
LACUNA_BINARY=$PWD/build/$preset/lacuna exec python3 tests/system/soak.py "$@"

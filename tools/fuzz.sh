#!/usr/bin/env bash
# Builds the fuzz targets with clang and runs each for so many seconds (default 60), from the kept
# seeds: tools/fuzz.sh [SECONDS] [TARGET...]. What it finds lies in build/fuzz/found; an input that was a
# fault goes to tests/fuzz/seeds/TARGET, with its mending. LACUNA_FUZZ_SEED: of the search (default: another
# each time); LACUNA_FUZZ_TIMEOUT: seconds that an input may take (default 1).
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-60}
[ $# -gt 0 ] && shift
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || targets=($(ls tests/fuzz/seeds))

LACUNA_MORE_PACKAGES="clang llvm libclang-rt-dev libomp-dev" bash tools/packages.sh
cmake --preset fuzz
names=()
for target in "${targets[@]}"; do names+=("fuzz_$target"); done
cmake --build --preset fuzz --target "${names[@]}"

faults=0
for target in "${targets[@]}"; do
  corpus=build/fuzz/corpus/$target
  mkdir -p "$corpus" build/fuzz/found
  echo "== $target: $seconds seconds"
  # An input may take a quarter of a gigabyte at most.
  build/fuzz/tests/fuzz/fuzz_"$target" -max_total_time="$seconds" -seed="${LACUNA_FUZZ_SEED:-0}" \
    -timeout="${LACUNA_FUZZ_TIMEOUT:-1}" -malloc_limit_mb=256 -max_len=8192 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/found/$target-" "$corpus" "tests/fuzz/seeds/$target" \
    >"build/fuzz/$target.log" 2>&1 || faults=1
  grep -E '^SUMMARY|^Done|number_of_executed_units|peak_rss_mb' "build/fuzz/$target.log" || tail -5 "build/fuzz/$target.log"
done
exit "$faults"

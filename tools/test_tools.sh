#!/usr/bin/env bash
# Runs what the tests do not: every script of tools/ in its shortest form, so that none of them rots. Part of
# CI, after tools/test.sh: tools/test_tools.sh [PRESET, default ci], whose build it uses. Exits 1 when one fails.
set -u
cd "$(dirname "$0")/.."
export LACUNA_PRESET=${1:-ci} OMP_WAIT_POLICY=passive
lacuna=$PWD/build/$LACUNA_PRESET/lacuna
[ -x "$lacuna" ] || { echo "there is no $lacuna: run tools/test.sh $LACUNA_PRESET first" >&2; exit 2; }
LACUNA_MORE_PACKAGES=patchelf bash tools/packages.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
# By tools/test.sh, or here; and quickstart.sh, whose build is one more and whose training takes minutes.
tested=" test.sh packages.sh fetch_data.sh fetch_data.txt python.sh check_layers.py reference.py results.py results_csv.py results_tables.py scaling_picture.py speed_picture.py svg.py scaling.py memory_promises.py test_tools.sh quickstart.sh "

# says CODE TEXT TOOL ARGUMENT...: the tool of that name must end with that code and say that.
says() {
  local code=$1 text=$2 tool=$3 begin=$SECONDS with=/usr/bin/python3
  shift 3
  tested="$tested$tool "
  case $tool in *.sh) with=bash ;; esac
  "$with" "tools/$tool" "$@" >"$work/log" 2>&1
  local got=$?
  if [ $got = "$code" ] && grep -qE -e "$text" "$work/log"; then
    echo "ok      $tool $*: $((SECONDS - begin)) s"
  else
    echo "FAILED  $tool $*: exit code $got where $code was expected, with \"$text\" in:"
    tail -n 40 "$work/log"
    failed=1
  fi
}

says 0 '^5 kills .*runs came to their end with the bytes' soak.sh 5 1
says 0 'enwik8 +2 +1 +bf16 sums' scaling.sh --processes 1,2 --models enwik8 --repeats 1
says 1 'the run has failed: lacuna: .*model.heads' saving_cost.py --binary "$lacuna" --width 32
says 0 'MB a checkpoint.* times; on the mean' saving_cost.py \
  --binary "$lacuna" --checkpoints 2 --every 50 --width 24 --threads 1
yes | head -c 4000 >"$work/yes"  # y, newline, y, newline ...
says 0 '^order 0: 1\.0000 bits per byte' entropy.py "$work/yes" --end 3000 --orders 0 1
says 2 'order 8 needs' entropy.py "$work/yes" --orders 8

says 2 'tools/bundle.sh DIR' bundle.sh
says 0 '^bundle in ' bundle.sh "$work/bundle" "$LACUNA_PRESET"
"$work/bundle/lacuna" --version || failed=1
yes | head -c 100000 >"$work/text"
says 0 'order-0 entropy 1\.000' memory_promises.sh "$work/bundle" "$work/promises" --tiny --parts d --text "$work/text"

says 2 'tools/gpu_test.sh DIR' gpu_test.sh
if "$work/bundle/lacuna_cuda_tests" --help >"$work/log" 2>&1; then
  says 0 '^ok +parity tests' gpu_test.sh "$work/bundle" quick
else
  says 2 'there is no lacuna_cuda_tests|no usable GPU' gpu_test.sh "$work/bundle"
fi
if /usr/bin/python3 -c 'import torch' 2>/dev/null; then
  says 0 'check passed' bench_torch_cpu.py --check
else
  says 2 'needs PyTorch 2.5 or newer: No module' bench_torch_cpu.py --check
fi

LACUNA_MORE_PACKAGES="clang libomp-dev" bash tools/packages.sh
says 2 'run `cmake --preset clang` first' read_with_clang.py --build "$work"
rm -rf build/clang
cmake --preset clang >"$work/log" 2>&1 || { cat "$work/log"; failed=1; }
says 0 'sources without a word' read_with_clang.py
# The same search for every change, on a machine of any speed: what it finds is a fault of the change.
LACUNA_FUZZ_SEED=1 LACUNA_FUZZ_TIMEOUT=10 says 0 'manifest: 5 seconds' fuzz.sh 5

for tool in tools/*; do
  [ -f "$tool" ] || continue  # Python may have left its __pycache__
  case $tested in *" $(basename "$tool") "*) continue ;; esac
  echo "FAILED  $tool: nothing runs it"
  failed=1
done
exit $failed

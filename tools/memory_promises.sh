#!/usr/bin/env bash
# Holds the promises of memory.budget against a GPU, with a bundle that tools/bundle.sh made:
# tools/memory_promises.sh BUNDLE OUT [FLAGS of tools/memory_promises.py]. In about four minutes on an H200:
# a budgets of three configurations, b two budgets of enwik8, c the models of sound, d 512 layers, e a long
# context. Short tables are printed, the numbers lie in OUT. Exits 1 when a promise does not hold.
set -u
[ $# -ge 2 ] || { sed -n '2,5s/^# //p' "$0" >&2; exit 2; }
export OMP_WAIT_POLICY=passive
exec python3 "$(dirname "$0")/memory_promises.py" "$@"

#!/usr/bin/env bash
# How training scales over the GPUs of this machine, in one go: tools/scaling.sh [FLAG...]. The flags are those of
# tools/scaling.py, which says what is measured. The binary is that of LACUNA_BINARY, or else is built by the preset in
# LACUNA_PRESET (default release). NVLink multicast stays off.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "${LACUNA_BINARY:-}" ]; then
  cd "$here/.."
  preset=${LACUNA_PRESET:-release}
  bash tools/packages.sh
  cmake --preset "$preset"
  cmake --build --preset "$preset" --target lacuna
  LACUNA_BINARY=$PWD/build/$preset/lacuna
  cd "$OLDPWD"
fi
export LACUNA_BINARY NCCL_NVLS_ENABLE=0
exec python3 "$here/scaling.py" "$@"

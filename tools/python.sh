#!/usr/bin/env bash
# Makes build/python, a Python with TensorBoard, for the test that reads our event files with it. Where
# it cannot be downloaded, that test is skipped: this is said, and no error.
set -eu
cd "$(dirname "$0")/.."
python=build/python/bin/python3

"$python" -c 'import tensorboard' 2>/dev/null && exit
rm -rf build/python
/usr/bin/python3 -m venv build/python
"$python" -m pip install --quiet --disable-pip-version-check --retries 1 --timeout 20 \
  'tensorboard>=2.13,<3' ||
  echo "TensorBoard could not be installed: the test that reads event files with it will be skipped." >&2

#!/usr/bin/env bash
# Puts the binary (and the GPU tests, where they were built) into DIR with the shared libraries that a
# GPU machine without the build packages lacks: tools/bundle.sh DIR [PRESET, default cuda]. cuBLASLt
# stays behind unless LACUNA_BUNDLE_CUBLAS=1: it comes with the CUDA toolkit and has 700 MB. Run
# DIR/lacuna there; no installation is needed.
set -eu
[ $# -ge 1 ] || { sed -n '2,5s/^# //p' "$0" >&2; exit 2; }
mkdir -p "$1/lib"
target=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
preset=${2:-cuda}
command -v patchelf >/dev/null || { echo "bundle.sh needs patchelf (a package of that name)" >&2; exit 2; }

[ -f "build/$preset/lacuna" ] || { echo "there is no build/$preset/lacuna: build it first" >&2; exit 1; }

# What every glibc system has, or must have of its own.
stays='linux-vdso|ld-linux|libc\.so|libm\.so|libdl\.so|libpthread\.so|librt\.so|libcuda\.so'
[ "${LACUNA_BUNDLE_CUBLAS:-0}" = 1 ] || stays="$stays|libcublas"

for binary in "build/$preset/lacuna" "build/$preset/tests/lacuna_cuda_tests"; do
  [ -f "$binary" ] || continue
  name=$(basename "$binary")
  cp "$binary" "$target/$name"
  strip "$target/$name"
  patchelf --set-rpath "\$ORIGIN/lib:/usr/local/cuda/lib64" "$target/$name"
  if ldd "$binary" | grep 'not found'; then
    echo "$binary lacks these libraries here, so they cannot be bundled" >&2
    exit 1
  fi
  ldd "$binary" | awk '$2 == "=>" && $3 ~ /^\// {print $3}' | grep -Ev "$stays" |
    while read -r library; do
      cp -L "$library" "$target/lib/"
      patchelf --set-rpath '$ORIGIN' "$target/lib/$(basename "$library")"
    done
done
fault="build/$preset/tests/liblacuna_fault.so"  # for tools/gpu_test.sh
[ ! -f "$fault" ] || cp "$fault" "$target/lib/"
du -sh "$target" | cut -f1 | sed "s|^|bundle in $1: |"

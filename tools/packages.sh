#!/usr/bin/env bash
# Installs what lacuna is built from, where it is missing: Debian 12 or newer, Ubuntu 24.04 or newer.
# Sourced or run by the other scripts; needs root (or sudo) only when something has to be installed.
# LACUNA_MORE_PACKAGES names what a script needs besides.
set -eu

packages=(g++ cmake ninja-build python3 python3-numpy python3-venv catch2 libdnnl-dev libspdlog-dev libfmt-dev
  libcli11-dev libtomlplusplus-dev nlohmann-json3-dev libxxhash-dev libcairo2-dev libzip-dev zlib1g-dev
  libdeflate-dev libpng-dev libjpeg-dev libexif-dev libsndfile1-dev libsamplerate0-dev libgloo-dev xz-utils curl
  ca-certificates ${LACUNA_MORE_PACKAGES:-})

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ]; then
  as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  echo "Installing: ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    "${missing[@]}" >/dev/null
fi

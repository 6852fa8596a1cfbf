#!/usr/bin/env bash
# Downloads a data set and unpacks it where the configurations look for it:
#   tools/fetch_data.sh NAME [FOLDER, default the current one]
#
#   enwik8          FOLDER/enwik8, 100 MB of the English Wikipedia (36 MB to download)
#   cifar10         FOLDER/cifar-10-batches-bin, the original binary batches (170 MB to download)
#   imagenet64      FOLDER/imagenet64, the PNGs of van den Oord et al., on which the paper and most
#                   others report (12.6 GB to download, 1,331,148 files)
#   imagenet64-npz  FOLDER/imagenet64-npz, the NumPy batches of Chrabaszcz et al., made in another
#                   way, so that results on them do not compare (14.1 GB to download)
#
# Sizes and checksums are compared with those of tools/fetch_data.txt (or $LACUNA_FETCH_TABLE). A
# download that broke off continues where it stopped when the script is run again; until all is
# complete it lies in FOLDER/NAME.partial, so that FOLDER never holds a data set in part.
#
# LACUNA_MIRROR=URL or FOLDER: where the archives are taken from instead, under their own names;
# those in a folder are read there and not copied.
#
# ImageNet needs more than this script. image-net.org is said to have taken the archives of
# imagenet64 down; the torrent 96816a530ee002254d29bf7a61c0c158d3dedc3b of academictorrents.com is
# said to hold the same files, and the checksums tell. Those of imagenet64-npz may be had only after
# a login: make an account at https://image-net.org/download.php and download them in a browser. In
# both cases give the folder with the archives as LACUNA_MIRROR.
#
# The tests use a mirror of their own. None of the official places has been tried: there was no
# network to do so.
set -eu
show_help() { sed -n '2,/^set -eu/{/^set -eu/d;s/^# \{0,1\}//;p}' "$0"; }
fail() { echo "fetch_data.sh: $*" >&2; exit 1; }
case ${1:-} in -h | --help) show_help; exit 0 ;; esac
[ $# -ge 1 ] && [ $# -le 2 ] || { show_help >&2; exit 2; }

name=$1 folder=${2:-.} mirror=${LACUNA_MIRROR:-}
table=${LACUNA_FETCH_TABLE:-$(dirname "$0")/fetch_data.txt}
names=$(awk '!/^#/ && NF {print $1}' "$table" | uniq | paste -sd ' ')
case " $names " in
  *" $name "*) ;;
  *) echo "fetch_data.sh: there is no data set '$name', known are: $names" >&2; exit 2 ;;
esac
case $mirror in
  "" | *://*) ;;
  *)
    [ -d "$mirror" ] || { echo "fetch_data.sh: LACUNA_MIRROR=$mirror is no URL and no folder" >&2; exit 2; } ;;
esac
[ -d "$folder" ] || { echo "fetch_data.sh: there is no folder $folder" >&2; exit 2; }
for tool in curl python3 tar; do
  command -v $tool >/dev/null || { echo "fetch_data.sh needs $tool (a package of that name)" >&2; exit 2; }
done

result=$folder/$(awk -v name="$name" '$1 == name {print $2; exit}' "$table")
[ ! -e "$result" ] || { echo "$result is there already"; exit 0; }
partial=$folder/$name.partial
mkdir -p "$partial"
exec 9>"$partial/lock"
flock -n 9 || fail "another fetch_data.sh is at work in $partial"

size_of() { stat -L -c %s "$1" 2>/dev/null || echo 0; }

# sound FILE SIZE CHECKSUM: says what is wrong with a file.
sound() {
  local size came
  size=$(size_of "$1")
  [ "$size" = "$2" ] || { echo "$1 has $size bytes, expected $2" >&2; return 1; }
  [ "$3" != - ] || return 0
  came=$("${3%%:*}sum" <"$1")
  [ "${came%% *}" = "${3#*:}" ] || { echo "$1 has the checksum ${came%% *}, expected $3" >&2; return 1; }
}

# download URL FILE SIZE: continues the file until it has that size, or the server has no more of it.
download() {
  local before code idle=0 quiet=-sS
  [ ! -t 2 ] || quiet=-#
  while [ "$(size_of "$2")" -lt "$3" ]; do
    before=$(size_of "$2") code=0
    curl -f -L $quiet --connect-timeout 30 --speed-limit 1 --speed-time 60 -C - -o "$2" "$1" || code=$?
    case $code in
      0) return ;;                                  # all that the server has
      18 | 28 | 52 | 55 | 56 | 92) ;;               # broken off: once more
      33) rm -f "$2" ;;                             # the server cannot continue: from the beginning
      23) fail "cannot write $2: is the disk full? Run this again when there is room" ;;
      *) fail "cannot download $1 (curl says $code); see --help for other ways" ;;
    esac
    [ "$(size_of "$2")" -gt "$before" ] && idle=0 || idle=$((idle + 1))
    [ $idle -lt 3 ] || fail "nothing more comes of $1 after $(size_of "$2") of $3 bytes: run this again later"
    [ $idle = 0 ] || sleep $idle
  done
}

unpack() {
  case $1 in
    *.zip) python3 -m zipfile -e "$1" "$2" ;;
    *) tar -xf "$1" -C "$2" --no-same-owner ;;
  esac
}

unpacked=$partial/unpacked
rm -rf "$unpacked"  # of a run that was stopped
archives=()
while read -r url size checksum; do
  case $url in unpacked:*) continue ;; esac
  file=$(basename "$url")
  if [ -d "$mirror" ]; then
    archive=$mirror/$file
    sound "$archive" "$size" "$checksum" || fail "the mirror does not have the file that is expected"
  else
    archive=$partial/$file
    [ -z "$mirror" ] || url=${mirror%/}/$file
    download "$url" "$archive" "$size"
    if ! sound "$archive" "$size" "$checksum"; then
      if head -c 1000 "$archive" | grep -aqiE '<html|<!doctype'; then
        echo "It is a web page, perhaps one to log in; see --help" >&2
      fi
      rm -f "$archive"
      fail "what came is not the file that is expected, and was removed"
    fi
  fi
  archives+=("$archive")
done < <(awk -v name="$name" '$1 == name {print $3, $4, $5}' "$table")

mkdir "$unpacked"
for archive in "${archives[@]}"; do
  echo "unpacking $archive"
  if ! unpack "$archive" "$unpacked"; then
    [ -d "$mirror" ] || rm -f "$archive"
    fail "cannot unpack $archive"
  fi
done
while read -r url size checksum; do
  case $url in unpacked:*) ;; *) continue ;; esac
  if ! sound "$unpacked/${url#unpacked:}" "$size" "$checksum"; then
    [ -d "$mirror" ] || rm -f "${archives[@]}"
    fail "what came out is not what is expected"
  fi
done < <(awk -v name="$name" '$1 == name {print $3, $4, $5}' "$table")

# One thing of the result's name is the result; all else becomes a folder of this name.
sync -f "$unpacked"  # the name comes last on the disk too
if [ "$(ls -A "$unpacked")" = "$(basename "$result")" ]; then
  mv -T "$unpacked/$(basename "$result")" "$result"
else
  mv -T "$unpacked" "$result"
fi
rm -rf "$partial"
echo "$result is complete"
case $name in
  imagenet64*)
    paths="[\"$result\"]"
    printf 'Every run would convert it anew; this does so once:\n  lacuna data prepare configs/imagenet64.toml --data.paths %q --output %q\n' \
      "$paths" "$result-prepared" ;;
esac

#!/usr/bin/env bash
# What CI, which has no GPU, cannot test: on a machine with one, with a bundle that tools/bundle.sh made:
# tools/gpu_test.sh DIR [quick]. Parity tests, `lacuna check`, determinism and resume of the binary, the
# sanitizers on small sizes and short benchmarks. `quick` leaves the last two out. Exits 1 when one fails, 2
# where nothing can be tested.
set -u
[ $# -ge 1 ] || { sed -n '2,5s/^# //p' "$0" >&2; exit 2; }
bundle=$(cd "$1" && pwd) || exit 2
[ -x "$bundle/lacuna_cuda_tests" ] ||
  { echo "there is no lacuna_cuda_tests in $1: bundle a build with CUDA" >&2; exit 2; }
no_gpu=$("$bundle/lacuna_cuda_tests" --help)
[ $? != 77 ] || { echo "$no_gpu; nothing can be tested here" >&2; exit 2; }
quick=${2:-}
export OMP_WAIT_POLICY=passive
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
failed=0

# expect NAME COMMAND...: runs it, says whether it went well, shows the end of its output if not.
expect() {
  local name=$1
  shift
  local begin=$SECONDS
  if "$@" >"$work/log" 2>&1; then
    echo "ok      $name ($((SECONDS - begin)) s): $(tail -n 1 "$work/log" | tr -dc "[:print:]")"
  else
    echo "FAILED  $name"
    grep -aE 'FAILED|^  CHECK|^with expansion' -A 2 "$work/log" | head -n 60
    tail -n 20 "$work/log"
    failed=1
  fi
}

# says CODE TEXT COMMAND...: the command must end with that code and say that.
says() {
  local code=$1 text=$2
  shift 2
  "$@" >"$work/said" 2>&1
  local got=$?
  tail -n 2 "$work/said"
  [ $got = "$code" ] && grep -qE "$text" "$work/said"
}

# As train, on a GPU that fails in the product of that number: 10 measure the rate of products before the
# first step, 39 belong to each step.
train_faulty() { # PRODUCT RUN [MORE...]
  local product=$1 run=$2
  shift 2
  LACUNA_FAULTY_PRODUCT=$product LD_PRELOAD="$bundle/lib/liblacuna_fault.so" \
    train "$run" "10 steps" --train.accumulation 1 --checkpoint.every "1 steps" "$@"
}

same() { cmp "$1/weights.safetensors" "$2/weights.safetensors" && cmp "$1/average.safetensors" "$2/average.safetensors"; }

train() { # RUN LENGTH [MORE...]
  local run=$1 length=$2
  shift 2
  "$bundle/lacuna" train c.toml --train.run "$run" --train.length "$length" "$@"
}

# As train, by so many ranks that share the first GPU: to NCCL each is on a host of its own, reached by the
# loopback. That tests the library, not its speed.
train_ranks() { # COUNT RUN LENGTH [MORE...]
  local count=$1 port=$((20000 + RANDOM % 20000)) rank pids=() code=0
  shift
  for rank in $(seq 0 $((count - 1))); do
    NCCL_HOSTID=rank$rank NCCL_SOCKET_IFNAME=lo CUDA_VISIBLE_DEVICES=0 RANK=$rank WORLD_SIZE=$count LOCAL_RANK=$rank \
      LOCAL_WORLD_SIZE=$count MASTER_ADDR=127.0.0.1 MASTER_PORT=$port train "$@" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || code=$?; done
  return $code
}

bits() { grep '"kind":"evaluation"' "$1/metrics.jsonl" | tail -n 1 | sed 's/.*"bits":\([0-9.]*\).*/\1/'; }

# Whether two runs end with bits that differ by less than 0.01.
close() { awk -v a="$(bits "$1")" -v b="$(bits "$2")" 'BEGIN { d = a - b; print a, b; exit !(a > 0 && d < 0.01 && d > -0.01) }'; }

cat >c.toml <<'TOML'
[data]
format = "echo"
symbols = 16
block = 32
split = "200k / 20k / 20k"
[model]
layers = 3
heads = 4
width = 128
context = 256
dropout = 0.1
attention = ["fixed(16, 4, 4)", "strided(16)"]
[optim]
warmup = "5 steps"
[train]
device = "gpu"
batch = 4
accumulation = 2
evaluate_every = "0 steps"
[checkpoint]
every = "10 steps"
TOML

"$bundle/lacuna" --version
expect "parity tests" "$bundle/lacuna_cuda_tests"
expect "check" "$bundle/lacuna" check
expect "check of the kernels for every GPU" "$bundle/lacuna" check --family general
expect "50 steps" train a "50 steps"
expect "50 steps again" train b "50 steps"
expect "two runs of 50 steps have the same bits" same a b
expect "launched one by one" train s "50 steps" --train.launches stream
expect "replayed steps have the bits of launched ones" same a s
# The schedule depends on the length, so the run is stopped by a signal and not by another length.
"$bundle/lacuna" train c.toml --train.run r --train.length "50 steps" >log 2>&1 &
pid=$!
while [ ! -d r/checkpoints/step-10 ] && kill -0 $pid 2>/dev/null; do sleep 0.05; done
kill -9 $pid 2>/dev/null
wait $pid 2>/dev/null
expect "kill -9 came before the end" test ! -e r/weights.safetensors
expect "resume after kill -9" train r "50 steps" --resume auto
expect "a resumed run has the bits of an undisturbed one" same a r
expect "sample" "$bundle/lacuna" sample a --length 64 --count 2
expect "sample, launched one by one" "$bundle/lacuna" sample s --length 64 --count 2
expect "eval" "$bundle/lacuna" eval a
expect "ten steps" train f "10 steps" --train.accumulation 1 --checkpoint.every "1 steps"
expect "a fault in a replayed step names step and layer" \
  says 1 'step 2, backward pass, layer 3 of 3.*resume' train_faulty 69 g
expect "a fault in a launched step names the kernel, too" \
  says 1 'step 3, forward pass, layer 2 of 3: LinearForward' train_faulty 94 h --train.launches stream
expect "resume after a fault" train g "10 steps" --train.accumulation 1 --checkpoint.every "1 steps" --resume auto
expect "the run has the bits of an undisturbed one" same f g
expect "a batch that does not fit" says 2 'a step needs .*Lower train.batch from 65536 to [0-9]+' \
  train o "10 steps" --train.batch 65536 --model.context 1024
expect "a batch whose tokens the workspace does not sort at once" train w "2 steps" --train.accumulation 1 \
  --train.batch 32768
expect "a model that does not fit" says 2 'parameters.*Lower model.layers from 200 to at most' \
  train o "10 steps" --model.width 8192 --model.heads 64 --model.layers 200
expect "NCCL with one rank" train n "50 steps" --gpus 1
expect "one rank has the bits of a process alone" same a n
for count in 2 4; do
  expect "$count ranks" train_ranks $count "n$count" "50 steps"
  expect "$count ranks end like one" close a "n$count"
  expect "$count ranks again" train_ranks $count "m$count" "50 steps"
  expect "$count ranks have the same bits again" same "n$count" "m$count"
  expect "$count ranks with parts of the optimizer" train_ranks $count "p$count" "50 steps" --dist.shard optimizer
  expect "they end like one" close a "p$count"
done
for sums in "--dist.bucket 0" "--dist.bucket 0.3" "--dist.bucket 0.3 --train.launches stream"; do
  expect "2 ranks, $sums" train_ranks 2 o2 "50 steps" --overwrite $sums
  expect "sums of two have the same bits, whenever they are taken" same n2 o2
done
expect "2 ranks with sums in bf16" train_ranks 2 h2 "50 steps" --dist.reduce bf16
expect "they end like one" close a h2
expect "4 ranks with small buckets" train_ranks 4 o4 "50 steps" --dist.bucket 0.3
expect "they end like one" close a o4
expect "4 ranks go on from the checkpoint of 2" train_ranks 4 q "50 steps" --resume n2/checkpoints/step-40
if [ "$quick" != quick ]; then
  for tool in memcheck racecheck; do
    for tests in '[small]' '[layernorm]' '[residual_norm]' '[embedding]' '[cross_entropy]' '[activation]' \
      '[sm90small]' '[step]' '[adamw]' '[lion]' '[decode]' '[elementwise]' '[linear]'; do
      expect "$tool $tests" compute-sanitizer --tool "$tool" --error-exitcode 1 "$bundle/lacuna_cuda_tests" "$tests"
    done
  done
  expect "bench layers" "$bundle/lacuna" bench layers --repeats 5
  expect "bench attention" "$bundle/lacuna" bench attention --repeats 5
fi
exit $failed

#!/bin/sh
# Builds the fuzzer of the runtime's readers under the sanitizers in build/fuzz, and runs each target: tools/fuzz.sh [SECONDS]
# (default 60 each). Prints how many inputs were shown in which time; stops at the first finding, which it leaves in build/fuzz.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
PATH="$root/.venv/bin:$PATH"
seconds=${1:-60}
# Kernels that no seed of a plan needs, and that take long to compile.
skipped='arg_reduce|boxes|conv|crop|cumulative|depthwise|edit|elementwise|fft|fused|gemm|isotonic|linalg|matmul|onednn|order|pool'
skipped="$skipped|projective|random_b|random_sampling|random_fill|reduce|resize|rowwise|scatter|segment|sort|transpose|unique"
mkdir -p build/fuzz
cmake -S . -B build/fuzz -G Ninja -DMS_SANITIZE=ON -DMS_FUZZ=ON -DMS_BINDING=OFF -DMS_ONEDNN=OFF "-DMS_LEAVE_OUT=$skipped" \
  -DPython_EXECUTABLE="$root/.venv/bin/python" >build/fuzz/configure.log || { cat build/fuzz/configure.log; exit 1; }
ninja -C build/fuzz -j "${JOBS:-2}" fuzz
for target in plan examples records csv regex; do
  build/fuzz/fuzz "$target" "tests/fuzz/seeds/$target" --seconds "$seconds" --random "${RANDOM_SEED:-$(date +%s)}" \
    --most-bytes 16384 --crash "build/fuzz/crash-$target"
done
"$root/.venv/bin/python" -m tests.fuzz.files --seconds "$seconds"

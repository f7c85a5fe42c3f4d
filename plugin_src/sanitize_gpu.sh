#!/usr/bin/env bash
# The kernels, and with TensorRT's headers (TENSORRT_ROOT) the plugin classes, under compute-sanitizer on a GPU.
#
#   bash plugin_src/sanitize_gpu.sh [BUILD_FOLDER]
#
# Needs an NVIDIA GPU, and nvcc, cmake and compute-sanitizer of the CUDA toolkit. Exit status 1 at the first error that a tool finds.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=${1:-$here/build/sanitize}
cmake -S "$here" -B "$build"
cmake --build "$build" --target check
programs=("$build/check short")
if cmake --build "$build" --target l2_normalize_plugin_test; then
  programs+=("$build/l2_normalize_plugin_test")
fi
for program in "${programs[@]}"; do
  for tool in memcheck racecheck initcheck synccheck; do
    printf '\n=== %s: %s\n' "$tool" "$program"
    # Without quotes: a program and its argument.
    compute-sanitizer --tool "$tool" --error-exitcode 1 $program
  done
done

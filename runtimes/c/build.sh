#!/usr/bin/env bash
# Makes the kit's runner out of the scalar core, by wasm2c and a C compiler: build.sh core.scalar.wasm FOLDER COMPILER [FLAG…]
set -euo pipefail
core="$(realpath "$1")" folder="$2" compiler="$3"
shift 3
here="$(cd "$(dirname "$0")" && pwd)"
runtime=/usr/share/wabt/wasm2c
mkdir -p "$folder"
cd "$folder"
cp "$core" core_scalar.wasm
wasm2c core_scalar.wasm -o core_scalar.c
order="$("$compiler" -dM -E - </dev/null | awk '$2 == "__BYTE_ORDER__" { print $3 }')"
big=0
[ "$order" = __ORDER_BIG_ENDIAN__ ] && big=1
"$compiler" -O2 "$@" -static -w -DWASM_RT_MEMCHECK_SIGNAL_HANDLER=0 -DWABT_BIG_ENDIAN=$big -I. -I"$runtime" \
  "$here/kit.c" core_scalar.c "$runtime/wasm-rt-impl.c" -lm -o kit

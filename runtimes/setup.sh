#!/usr/bin/env bash
# Installs the Debian packages that the runners of the kit use, where there is apt and the right to: browsers, gjs, wasm2c,
# compilers for other CPUs and their emulators. Everything else is fetched by its own client (run.mjs).
set -euo pipefail
packages=(chromium firefox-esr gjs wabt qemu-user gcc)
for arch in aarch64:arm64 riscv64:riscv64 s390x:s390x; do
  packages+=("gcc-${arch%:*}-linux-gnu" "libc6-dev-${arch#*:}-cross")
done
missing=()
for package in "${packages[@]}"; do
  dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
  echo "not installed, and no way to: ${missing[*]}" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null

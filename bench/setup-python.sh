#!/usr/bin/env bash
# Makes virtual environments for the peers: .venv with NumPy, and with --all also pandas 2 (.venv-pandas2) and the
# newest pandas (.venv). Exits 1 where there is no Python, or no package index, saying so.
set -euo pipefail
cd "$(dirname "$0")/.."

python="${PYTHON:-python3}"
if ! command -v "$python" >/dev/null; then
  echo "no $python here: NumPy and pandas are left out" >&2
  exit 1
fi

install() {
  local folder="$1"
  shift
  [ -x "$folder/bin/python" ] || "$python" -m venv "$folder"
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

install .venv 'numpy>=2.2,<3'
if [ "${1:-}" = "--all" ]; then
  install .venv 'pandas>=3'
  install .venv-pandas2 'numpy>=2.2,<3' 'pandas>=2.3,<3'
fi

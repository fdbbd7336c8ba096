#!/usr/bin/env bash
# Makes virtual environments for the peers: .venv with NumPy, scikit-learn and the newest pandas, and with --all also
# .venv-pandas2 with pandas 2 and .venv-mlflow with MLflow. With --mlflow only the last, and with --mlflow-skinny it without
# what its own stores need. Exits 1 where there is no Python, or no package index, saying so.
set -euo pipefail
cd "$(dirname "$0")/.."

python="${PYTHON:-python3}"
if ! command -v "$python" >/dev/null; then
  echo "no $python here: NumPy, scikit-learn and pandas are left out" >&2
  exit 1
fi

install() {
  local folder="$1"
  shift
  [ -x "$folder/bin/python" ] || "$python" -m venv "$folder"
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

case "${1:-}" in
  --mlflow) install .venv-mlflow 'mlflow>=3.13,<4'; exit ;;
  --mlflow-skinny) install .venv-mlflow 'mlflow-skinny>=3.13,<4'; exit ;;
esac
install .venv 'numpy>=2.2,<3' 'scikit-learn>=1.7,<2' 'pandas>=3'
if [ "${1:-}" = "--all" ]; then
  install .venv-pandas2 'numpy>=2.2,<3' 'scikit-learn>=1.7,<2' 'pandas>=2.3,<3'
  install .venv-mlflow 'mlflow>=3.13,<4'
fi

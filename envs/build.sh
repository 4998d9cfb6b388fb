#!/usr/bin/env bash
# Builds .venv from the hash-pinned lock, once; does nothing while the lock and pyproject.toml are as they were.
# Usage: envs/build.sh [cpu|gpu]      PYTHON=python3.12 chooses the interpreter (3.11 to 3.13).
# Without an argument an environment of either kind will do, and cpu is built where there is none.
set -euo pipefail
cd "$(dirname "$0")/.."
stamp() { echo ".venv/.built-$(cat "envs/$1.lock" pyproject.toml | sha256sum | cut -c1-16)"; }
for kind in ${1:-gpu cpu}; do
  [ -e "$(stamp "$kind")" ] && exit 0
done

works() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; }
python=
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
  if works "$candidate"; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
  echo "lensrank needs Python 3.11, 3.12 or 3.13; found: $(python3 --version 2>&1 || echo none)." >&2
  echo "Install one, or name it: make PYTHON=/path/to/python3.12 ..." >&2
  exit 1
fi

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing $package, which Debian's Python lacks ..."
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null
  else
    echo "This Python cannot make environments. Install it: sudo apt-get install $package" >&2
    exit 1
  fi
fi

# A half-built environment must not pass for a whole one: the stamp comes last.
rm -rf .venv
echo "Building the environment in .venv from envs/$kind.lock (about 2 minutes) ..."
"$python" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r "envs/$kind.lock"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
touch "$(stamp "$kind")"

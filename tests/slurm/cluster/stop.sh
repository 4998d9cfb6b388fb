#!/usr/bin/env bash
# Stops the SLURM that start.sh started, each daemon by its pid file, and nothing else.
# Usage: stop.sh [--wipe]      --wipe deletes its folder as well: logs, state, accounting
set -euo pipefail
. "$(dirname "$0")/common.sh"

case ${1:-} in
  '' | --wipe) ;;
  *) fail "usage: stop.sh [--wipe]" ;;
esac

stop_daemon() {
  local pid tries
  if pid=$(daemon_pid "$1"); then
    kill "$pid"
    for ((tries = 0; tries < 150; tries++)); do
      [ -d "/proc/$pid" ] || break
      sleep 0.1
    done
    if [ -d "/proc/$pid" ]; then
      echo "$1 ($pid) did not end within 15 s: killed"
      kill -9 "$pid"
    fi
  fi
  rm -f "$DIR/run/$1.pid"
}

# The steps of a node that died have no daemon left that would end them; their environment tells whose they are.
stop_stray_steps() {
  local process
  for process in /proc/[0-9]*; do
    [ "$(cat "$process/comm" 2>/dev/null)" = slurmstepd ] || continue
    tr '\0' '\n' <"$process/environ" 2>/dev/null | grep -qx "SLURM_CONF=$SLURM_CONF" || continue
    kill "${process#/proc/}" && echo "stopped a stray step (${process#/proc/})"
  done
}

[ -d "$DIR" ] || exit 0
if daemon_pid slurmctld >/dev/null; then
  timeout 10 scancel --user=root || echo "jobs could not be cancelled" >&2
  sleep 1
fi
for node in "${NODES[@]}"; do stop_daemon "slurmd-$node"; done
for daemon in slurmctld slurmdbd mariadb munged; do stop_daemon "$daemon"; done
stop_stray_steps
[ "$(readlink $LINK || true)" != "$SLURM_CONF" ] || rm -f $LINK
[ "${1:-}" != --wipe ] || rm -rf -- "$DIR"

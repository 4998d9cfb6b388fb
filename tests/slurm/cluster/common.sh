# What start.sh and stop.sh share: where the cluster lives, and which of its daemons are alive.
# LENSRANK_SLURM_DIR   folder of the cluster: configuration, logs, state
# LENSRANK_SLURM_PORT  first of the ports it listens on, on loopback
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
DIR=${LENSRANK_SLURM_DIR:-/var/lib/lensrank-slurm}
PORT=${LENSRANK_SLURM_PORT:-16800}
NODES=(cpu1 cpu2 gpu1)
LINK=/etc/slurm/slurm.conf
export SLURM_CONF=$DIR/etc/slurm.conf

fail() { echo "$(basename "$0"): $*" >&2; exit 1; }

# Process ID of a daemon of this cluster; fails where it does not run. A number that was given to another program since
# the pid file was written does not count.
daemon_pid() {
  local pid
  pid=$(cat "$DIR/run/$1.pid" 2>/dev/null) || return 1
  case $(cat "/proc/$pid/comm" 2>/dev/null) in
    slurmctld | slurmd | slurmdbd | munged | mariadbd) echo "$pid" ;;
    *) return 1 ;;
  esac
}

#!/usr/bin/env bash
# Starts a real SLURM on this host: munge, slurmctld, three slurmd, and accounting in a database of its own.
# Nodes cpu1 and cpu2 in partition cpu; node gpu1 in partitions gpu and urgent, with two GPUs that are device files
# without hardware. Needs root and Debian 12; packages that are missing are installed. What already runs is left alone,
# so that a daemon that was killed comes back by calling this again.
# Usage: start.sh [--without-accounting]
set -euo pipefail
. "$(dirname "$0")/common.sh"

case ${1:-} in
  '') storage=accounting_storage/slurmdbd ;;
  --without-accounting) storage=accounting_storage/none ;;
  *) fail "usage: start.sh [--without-accounting]" ;;
esac
[ "$(id -u)" = 0 ] || fail "a SLURM of its own needs root"
grep -qs '^12' /etc/debian_version || fail "needs Debian 12; /etc/debian_version says $(cat /etc/debian_version 2>&1)"

install_packages() {
  local packages=(munge slurmctld slurmd slurm-client slurm-wlm-basic-plugins slurmdbd slurm-wlm-mysql-plugin
    mariadb-server) policy=/usr/sbin/policy-rc.d
  dpkg -s "${packages[@]}" >/dev/null 2>&1 && return
  echo "installing ${packages[*]}"
  # Debian starts a daemon when its package is installed; not these.
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${packages[@]}" </dev/null >"$DIR/log/apt.log" 2>&1 ||
    fail "the packages could not be installed; see $DIR/log/apt.log"
}

write_configuration() {
  local name password gpu
  for name in "${NODES[@]}"; do mkdir -p "$DIR/spool-$name"; done
  for gpu in 0 1; do
    [ -c "$DIR/gpu1/nvidia$gpu" ] || mknod -m 666 "$DIR/gpu1/nvidia$gpu" c 1 3
  done
  [ -s "$DIR/etc/munge.key" ] || (umask 377 && head -c 128 /dev/urandom >"$DIR/etc/munge.key")
  [ -s "$DIR/etc/password" ] || (umask 077 && head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$DIR/etc/password")
  password=$(cat "$DIR/etc/password")
  for name in slurm.conf gres.conf cgroup.conf slurmdbd.conf; do
    (umask 077 && sed -e "s|@DIR@|$DIR|g; s|@HOST@|$(hostname -s)|g; s|@STORAGE@|$storage|; s|@DB_PASSWORD@|$password|" \
      -e "s|@CTLD_PORT@|$PORT|; s|@DBD_PORT@|$((PORT + 1))|; s|@DB_PORT@|$((PORT + 2))|" \
      -e "s|@CPU1_PORT@|$((PORT + 11))|; s|@CPU2_PORT@|$((PORT + 12))|; s|@GPU1_PORT@|$((PORT + 13))|" \
      "$HERE/etc/$name" >"$DIR/etc/$name")
  done
  # slurmctld does not start where it is to account for GPUs and has nothing to do it with.
  [ $storage != accounting_storage/none ] || sed -i '/^AccountingStorageTRES=/d' "$DIR/etc/slurm.conf"
  chmod 644 "$DIR/etc/"{slurm,gres,cgroup}.conf
}

# Snakemake's jobs call srun without SLURM_CONF, so the configuration must lie where SLURM looks by default.
link_configuration() {
  mkdir -p "$(dirname $LINK)"
  [ ! -e $LINK ] || [ "$(readlink $LINK)" = "$SLURM_CONF" ] || fail "$LINK is of another SLURM: not touched"
  ln -sfn "$SLURM_CONF" $LINK
}

wait_for() {
  local what=$1 deadline=$((SECONDS + 60))
  shift
  until timeout 10 "$@" >"$DIR/log/wait.log" 2>&1 </dev/null; do
    [ $SECONDS -lt $deadline ] || fail "$what did not come up within a minute: $(cat "$DIR/log/wait.log"); see $DIR/log"
    sleep 0.1
  done
}

start_munge() {
  daemon_pid munged >/dev/null || munged --force --num-threads=4 --key-file="$DIR/etc/munge.key" \
    --socket="$DIR/run/munge.sock" --pid-file="$DIR/run/munged.pid" --log-file="$DIR/log/munged.log" \
    --seed-file="$DIR/run/munge.seed" </dev/null >>"$DIR/log/daemons.log" 2>&1
  wait_for munge munge -S "$DIR/run/munge.sock" -n
}

sql() { mariadb --no-defaults -uroot -S "$DIR/run/mariadb.sock" "$@"; }

# Not `... || mariadbd &`: the shell that waits for it would hold on to start.sh's output.
run_mariadb() {
  setsid mariadbd --no-defaults --user=root --datadir="$DIR/database" --socket="$DIR/run/mariadb.sock" \
    --pid-file="$DIR/run/mariadb.pid" --bind-address=127.0.0.1 --port=$((PORT + 2)) \
    --innodb-buffer-pool-size=64M --innodb-log-file-size=16M --innodb-lock-wait-timeout=900 \
    --innodb-flush-log-at-trx-commit=0 --performance-schema=off </dev/null >>"$DIR/log/mariadb.log" 2>&1 &
}

start_database() {
  [ -d "$DIR/database/mysql" ] || mariadb-install-db --no-defaults --user=root --datadir="$DIR/database" \
    --auth-root-authentication-method=normal --skip-test-db >>"$DIR/log/daemons.log" 2>&1
  daemon_pid mariadb >/dev/null || run_mariadb
  wait_for mariadb mariadb-admin --no-defaults -uroot -S "$DIR/run/mariadb.sock" ping
  local host
  sql -e "create database if not exists slurm_acct_db"
  for host in 127.0.0.1 localhost; do
    sql -e "create user if not exists 'slurm'@'$host' identified by '$(cat "$DIR/etc/password")';
      grant all on slurm_acct_db.* to 'slurm'@'$host'"
  done
}

start_accounting() {
  start_database
  daemon_pid slurmdbd >/dev/null || slurmdbd </dev/null >>"$DIR/log/daemons.log" 2>&1
  wait_for slurmdbd sacctmgr -n show cluster
  sacctmgr -nP show cluster format=cluster | grep -qx lensrank || sacctmgr -iQ add cluster lensrank >/dev/null
  sacctmgr -nP show assoc user=root format=account | grep -qx astro && return
  sacctmgr -iQ add account astro Description=astro Organization=astro Cluster=lensrank >/dev/null
  sacctmgr -iQ add user root Account=astro DefaultAccount=astro Cluster=lensrank >/dev/null ||
    sacctmgr -iQ modify user root set DefaultAccount=astro where Cluster=lensrank >/dev/null
}

nodes_up() {
  local states
  states=$(sinfo -h -N -p cpu,gpu -o %T) &&
    [ "$(grep -cxE 'idle|mixed|allocated' <<<"$states")" = ${#NODES[@]} ]
}

start_slurm() {
  daemon_pid slurmctld >/dev/null || slurmctld </dev/null >>"$DIR/log/daemons.log" 2>&1
  local node deadline=$((SECONDS + 60))
  for node in "${NODES[@]}"; do
    daemon_pid "slurmd-$node" >/dev/null || slurmd -N "$node" </dev/null >>"$DIR/log/daemons.log" 2>&1
  done
  until nodes_up 2>/dev/null; do
    [ $SECONDS -lt $deadline ] || fail "not all nodes came up within a minute: $(sinfo -N 2>&1); see $DIR/log"
    sleep 0.2
  done
}

mkdir -p "$DIR"/{etc,run,log,state,database,gpu1}
chmod 755 "$DIR" "$DIR/run" "$DIR/etc"
chmod 700 "$DIR/state"
install_packages
write_configuration
link_configuration
start_munge
[ $storage = accounting_storage/none ] || start_accounting
start_slurm
sinfo -N -o '%N %P %T %c %m %G'
echo "SLURM runs after $SECONDS s: export SLURM_CONF=$SLURM_CONF"

#!/bin/bash
# Follow docs/install.md, as it was last committed, in a bare Debian under its own systemd, and hold what the page says of it.
# As root, with debootstrap and util-linux; a network for debootstrap, apt and pip alone: the machine that is made has only
# a loopback of its own.
#
#   deploy/prove.sh [DIR]     DIR: where to make it, and keep the bare Debian for the next time (default: a new one under
#                             /tmp, removed at the end)
#
# Prints one line for each thing held, and ends with exit code 1 where one did not hold.
# shellcheck disable=SC2317 # what `held` is given is called by it
set -euo pipefail

[ "$(id -u)" = 0 ] || { echo "namespaces, mounts and another system's users: as root" >&2; exit 2; }
SOURCE=$(readlink -f "$(dirname "$0")/..")
MADE=${1:-$(mktemp -d /tmp/infusion-gateway-box.XXXXXX)}
ROOT=$MADE/root
PYTHON=${PYTHON:-python3}
CGROUP=/sys/fs/cgroup/systemd/infusion-gateway-box.$$
[ -d /sys/fs/cgroup/systemd ] || CGROUP=/sys/fs/cgroup/infusion-gateway-box.$$
BOOTED=
INIT=
FAILED=0

clean() {
  [ $? = 0 ] || [ -z "$INIT" ] || inside journalctl --no-pager --lines=60 || true
  [ -z "$BOOTED" ] || kill -KILL "$BOOTED" 2>/dev/null || true
  wait 2>/dev/null || true
  find "$CGROUP" -depth -type d -exec rmdir {} + 2>/dev/null || true
  [ $# = 0 ] || rm -rf "$MADE"
}
if [ $# = 0 ]; then trap 'clean all' EXIT; else trap clean EXIT; fi

inside() { nsenter --target "$INIT" --mount --uts --ipc --net --pid --cgroup --root --wd -- "$@"; }
held() {
  local what=$1
  shift
  if "$@" >"$MADE/said" 2>&1; then echo "held: $what"; else
    echo "NOT HELD: $what"
    sed 's/^/    /' "$MADE/said" | tail -n 20
    FAILED=1
  fi
}
refused() { ! "$@"; }
within() { # SECONDS COMMAND...: it succeeds before they are over
  local until=$((SECONDS + $1))
  shift
  while ! "$@"; do
    [ $SECONDS -lt $until ] || return 1
    sleep 0.5
  done
}

bare_debian() {
  if [ ! -e "$MADE/debian/etc/debian_version" ]; then
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,udev,ca-certificates bookworm "$MADE/debian" \
      >"$MADE/debootstrap.log"
  fi
  rm -rf "$ROOT"
  cp -a "$MADE/debian" "$ROOT"
  mkdir -p "$ROOT/srv/source" "$ROOT/srv/wheels"
  git -C "$SOURCE" archive HEAD | tar -x -C "$ROOT/srv/source"
  # As a source archive carries it: the box has neither npm nor a network to fetch it with.
  cp -a "$SOURCE/src/infusion_gateway/station/pages/vendor" "$ROOT/srv/source/src/infusion_gateway/station/pages/"
  (cd "$SOURCE" && $PYTHON -m pip download --quiet --no-deps --require-hashes -r requirements/run.txt -d "$ROOT/srv/wheels" &&
    $PYTHON -m pip download --quiet "hatchling>=1.27" -d "$ROOT/srv/wheels") 2>"$MADE/pip.log"
  awk '/^```sh$/ {on = 1; next} /^```$/ {on = 0} on' "$ROOT/srv/source/docs/install.md" >"$ROOT/srv/install.sh"
  # The packages while there is a network; when the page is followed apt-get finds them installed.
  cp /etc/resolv.conf "$ROOT/etc/resolv.conf"
  grep '^apt-get' "$ROOT/srv/install.sh" | DEBIAN_FRONTEND=noninteractive chroot "$ROOT" sh -eu >"$MADE/apt.log" 2>&1
}

boot() {
  mkdir -p "$CGROUP"
  cat >"$MADE/boot.sh" <<'END'
set -eu
R=$1
ip link set lo up
mount --make-rprivate /
mount --bind "$R" "$R"
mount -t proc proc "$R/proc"
mount -t sysfs -o ro sysfs "$R/sys"
mount -t tmpfs -o mode=755 tmpfs "$R/run"
mount -t tmpfs tmpfs "$R/tmp"
mount -t tmpfs -o mode=755 tmpfs "$R/dev"
mkdir "$R/dev/pts" "$R/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$R/dev/pts"
ln -s pts/ptmx "$R/dev/ptmx"
for node in null zero full random urandom tty; do
  touch "$R/dev/$node"
  mount --bind "/dev/$node" "$R/dev/$node"
done
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then mount -t cgroup2 cgroup2 "$R/sys/fs/cgroup"; else
  mount -t tmpfs tmpfs "$R/sys/fs/cgroup"
  mkdir "$R/sys/fs/cgroup/systemd"
  mount -t cgroup -o none,name=systemd cgroup "$R/sys/fs/cgroup/systemd"
fi
# No chroot: user namespaces (PrivateUsers=) are refused in one.
cd "$R"
pivot_root . mnt
umount --lazy /mnt
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-target=journal
END
  # shellcheck disable=SC2016 # expanded by the shell that is started
  sh -c 'echo $$ >"$1/cgroup.procs"; exec unshare --mount --uts --ipc --net --pid --cgroup --fork --kill-child sh "$2" "$3"' \
    sh "$CGROUP" "$MADE/boot.sh" "$ROOT" >"$MADE/boot.log" 2>&1 </dev/null &
  BOOTED=$!
  within 20 child || { cat "$MADE/boot.log"; exit 1; }
  within 60 running || { inside systemctl --failed; exit 1; }
}
child() { INIT=$(pgrep -P "$BOOTED" | head -n 1) && [ "$(cat "/proc/$INIT/comm")" = systemd ]; }
running() { inside systemctl is-system-running 2>/dev/null | grep -Eq 'running|degraded'; }

property() { inside systemctl show --property "$2" --value "$1"; }
active() { [ "$(property "$1" ActiveState)" = active ]; }
runs_as() { [ "$(inside stat -c %U "/proc/$(property "$1" MainPID)")" = "$2" ]; }
sandboxed() { # no new privileges, filtered system calls, no capability
  inside grep -E '^(NoNewPrivs:\s1|Seccomp:\s2|Cap(Prm|Eff|Bnd):\s0+)$' "/proc/$(property "$1" MainPID)/status" | wc -l | grep -qx 5
}
verified() { # every setting is one that systemd knows, every program is there
  refused grep "$1" <(inside systemd-analyze verify --man=no "$1" 2>&1)
}
exposed_at_most() { inside systemd-analyze security --threshold="$2" "$1"; }
mark() { inside test -e /run/infusion-gateway/session-under-way; }
inhibited() { inside systemd-inhibit --list --no-legend | grep -q 'Infusion Gateway'; }

page_followed() {
  if ! inside env -C /srv/source PATH=/usr/sbin:/usr/bin:/sbin:/bin PIP_NO_INDEX=1 PIP_FIND_LINKS=/srv/wheels \
    DEBIAN_FRONTEND=noninteractive sh -eux /srv/install.sh >"$MADE/install.log" 2>&1; then
    tail -n 20 "$MADE/install.log"
    echo "NOT HELD: docs/install.md can be followed"
    exit 1
  fi
  echo "held: docs/install.md can be followed, $(grep -c '^+' "$MADE/install.log") commands"
}

services() {
  local unit
  for unit in infusion-gateway infusion-gateway-annunciator infusion-gateway-station infusion-gateway-attend@tty1 \
    infusion-gateway-inhibit mosquitto; do
    held "$unit.service verifies" verified "$unit.service"
    held "$unit.service is exposed at most 1.5" exposed_at_most "$unit.service" 15
  done
  held "infusion-gateway-inhibit.path verifies" verified infusion-gateway-inhibit.path
  held "a log-in prompt on a serial port is kept off" refused serial_getty
  # What the page leaves to the clinic: a bed's own alarm (its console line alone: there is no sound card), the clinicians'
  # page, and a screen.
  inside sed -i -e 's/^# \[bed.annunciator\]$/[bed.annunciator]/' -e '/^# \[station\]$/,/^# people_file/s/^# //' \
    -e 's|^people_file = .*|people_file = "/var/lib/infusion-gateway/people.toml"|' /etc/infusion-gateway/bedside.toml
  screen
  inside systemctl restart infusion-gateway
  inside systemctl start infusion-gateway-annunciator infusion-gateway-station "infusion-gateway-attend@$SCREEN"
  for unit in infusion-gateway infusion-gateway-annunciator infusion-gateway-station "infusion-gateway-attend@$SCREEN" mosquitto; do
    held "$unit.service is up" active "$unit.service"
    case $unit in mosquitto) user=mosquitto ;; *) user=infusion-gateway ;; esac
    held "$unit.service runs as $user" runs_as "$unit.service" $user
    held "$unit.service is in its sandbox" sandboxed "$unit.service"
  done
  held "the page is served, and somebody is let in by a password" within 10 signed_in
  held "the gateway may use serial ports (dialout), the annunciator sound cards" groups
}
signed_in() {
  inside sh -c 'runuser -u infusion-gateway -- /opt/infusion-gateway/bin/infusion-gateway people list \
    -c /etc/infusion-gateway/bedside.toml | grep -q nurse-1 || echo "a long password" | runuser -u infusion-gateway -- \
    /opt/infusion-gateway/bin/infusion-gateway people add nurse-1 --role clinician -c /etc/infusion-gateway/bedside.toml' &&
    inside python3 -c '
import json, urllib.request as web
page = "http://127.0.0.1:8420"
token = json.load(web.urlopen(page + "/api/me"))["csrf"]
said = json.dumps({"person": "nurse-1", "password": "a long password"}).encode()
headers = {"Origin": page, "Content-Type": "application/json", "X-IGW-CSRF": token}
assert json.load(web.urlopen(web.Request(page + "/api/sign-in", said, headers)))["signed_in"]'
}
serial_getty() { inside systemctl start serial-getty@ttyS0.service && active serial-getty@ttyS0.service; }
groups() {
  local dialout audio
  dialout=$(inside getent group dialout | cut -d: -f3)
  audio=$(inside getent group audio | cut -d: -f3)
  inside grep -E "^Groups:.*\b$dialout\b" "/proc/$(property infusion-gateway MainPID)/status" &&
    inside grep -E "^Groups:.*\b$audio\b" "/proc/$(property infusion-gateway-annunciator MainPID)/status"
}
screen() { # a terminal that somebody reads, in the place of tty1
  inside sh -c 'python3 -u -c "
import os
m, s = os.openpty()
print(os.ttyname(s))
while True: os.write(3, os.read(m, 4096))" >/run/screen.name 3>/run/screen.text 2>&1 & echo $! >/run/screen.pid'
  within 10 inside grep -q pts /run/screen.name
  SCREEN=$(inside cat /run/screen.name | sed 's|^/dev/||; s|/|-|')
}

watchdog() {
  local before
  before=$(property infusion-gateway NRestarts)
  inside systemctl kill --kill-whom=main --signal=STOP infusion-gateway
  held "a gateway that hangs is ended by the watchdog and begun again" within 30 restarted "$before"
}
restarted() { [ "$(property infusion-gateway NRestarts)" -gt "$1" ] && active infusion-gateway; }

devices() { # the simulators: the pump on a serial port as udev leaves one, dialout's alone, the monitors on the loopback
  inside python3 -m venv /srv/sims
  inside env PIP_NO_INDEX=1 PIP_FIND_LINKS=/srv/wheels /srv/sims/bin/pip install --quiet /srv/source/simulators >"$MADE/sims.log" 2>&1
  inside sh -c 'cd /srv; exec >/run/sims 2>&1
    /srv/sims/bin/infusion-sim serve ne1000 --pty /run/pump --set rate_ml_h=30 --set address=1 --control 127.0.0.1:8101 &
    /srv/sims/bin/infusion-sim serve nonin_oem3 --tcp 127.0.0.1:7002 --control 127.0.0.1:8102 &
    /srv/sims/bin/infusion-sim serve modbus_monitor --tcp 127.0.0.1:5020 --control 127.0.0.1:8103 &'
  within 20 inside test -e /run/pump
  inside chgrp --dereference dialout /run/pump
  inside chmod 660 /run/pump
  inside sed -i -e 's|^port = "../var/pump"|port = "/run/pump"|' -e 's|^port = "../var/oximeter"|port = "socket://127.0.0.1:7002"|' \
    /etc/infusion-gateway/bedside.toml
  inside systemctl restart infusion-gateway infusion-gateway-annunciator
}
person() { # INSTRUCTION OPTIONS...
  inside runuser -u infusion-gateway -- /opt/infusion-gateway/bin/infusion-gateway session "$1" -c /etc/infusion-gateway/bedside.toml \
    --bed chair-1 --case case-1 "${@:2}"
}
ordered() {
  person order --by nurse-1 --subject s-1 --protocol test-short --weight "70 kg" --concentration "1 mg/mL" --rate "30 mL/h" \
    --volume "0.5 mL" --duration "1 min" --dose "0.5 mg"
}
confirmed() { person confirm --by nurse-2 --weight "70 kg" --concentration "1 mg/mL"; }
given_up() { person abort --by nurse-1 --reason "tried out"; }
idle() { inside runuser -u infusion-gateway -- /opt/infusion-gateway/bin/infusion-gateway idle -c /etc/infusion-gateway/bedside.toml; }
reboots() { inside script -qec "systemctl reboot --check-inhibitors=yes" /dev/null; }
release() { inside env -C /srv/source PIP_NO_INDEX=1 PIP_FIND_LINKS=/srv/wheels deploy/release.sh "$@"; }
in_use() { inside readlink /opt/infusion-gateway; }

session() {
  held "idle says so" idle
  held "nothing is inhibited" refused inhibited
  held "an order is taken" within 30 ordered
  held "it is confirmed and armed" within 30 confirmed
  held "the file is there while a session is under way" within 5 mark
  held "shutdown is inhibited" within 5 inhibited
  held "a reboot is refused" refused reboots
  held "apt is refused" refused inside apt-get remove -y alsa-utils
  held "idle says which bed" refused idle
  held "release.sh install is refused" refused release install
  inside systemctl kill --signal=KILL infusion-gateway
  # A real port forgets at its last closing that it was one process's alone; a simulator holds its own end open.
  inside python3 -c 'import fcntl, os, termios; fcntl.ioctl(os.open("/run/pump", os.O_RDWR | os.O_NOCTTY), termios.TIOCNXCL)'
  held "a gateway that fell leaves the inhibitor in place" inhibited
  held "it is up again, the session with it" within 20 mark
  held "the case is given up" within 40 given_up
  held "the file is gone once the case is" within 30 refused mark
  held "nothing is inhibited any more" within 5 refused inhibited
  held "idle says so again" idle
}

releases() {
  local first second
  first=$(in_use)
  sleep 1
  held "an update is installed and gone over to" release install
  second=$(in_use)
  held "it is another release, and runs" test "$first" != "$second" -a "$(property infusion-gateway ActiveState)" = active
  held "back to the one before" release back
  held "it is the first one again, and runs" test "$first" = "$(in_use)" -a "$(property infusion-gateway ActiveState)" = active
  inside sh -c "printf '#!/bin/sh\nexit 1\n' >$second/bin/infusion-gateway"
  held "a release that does not come up is refused" refused release back
  held "the one before is in use, and runs" test "$first" = "$(in_use)" -a "$(property infusion-gateway ActiveState)" = active
}

bare_debian
boot
page_followed
services
watchdog
devices
session
releases
exit $FAILED

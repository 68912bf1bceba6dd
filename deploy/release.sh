#!/bin/sh
# Install, update and roll back the gateway of this machine. As root:
#
#   deploy/release.sh install [SOURCE]   a new release from the source directory (this one by default), and go over to it
#   deploy/release.sh back               go back to the release before
#
# Each release is a directory of its own under /opt/infusion-gateway.d; /opt/infusion-gateway is a link to the one in use,
# so the one before stays as it was. Refused (exit 1) while a session is under way at any bed, and where the new release
# can't use the configuration. One that does not come up is left again for the one before.
set -eu

HERE=$(dirname "$(readlink -f "$0")")
LINK=${LINK:-/opt/infusion-gateway}
CONFIG=${CONFIG:-/etc/infusion-gateway/bedside.toml}
MARK=${MARK:-/run/infusion-gateway/session-under-way}
RELEASES=$LINK.d
USER_NAME=infusion-gateway

fail() {
  echo "$*" >&2
  exit 1
}

# The release in use says whether a session is under way: it can read its own journal. Before the first one, nobody can.
idle() {
  if [ -e "$MARK" ]; then cat "$MARK" >&2; return 1; fi
  if [ ! -e "$LINK" ] || [ ! -e "$CONFIG" ]; then return 0; fi
  runuser -u "$USER_NAME" -- "$LINK/bin/infusion-gateway" idle -c "$CONFIG" >&2
}

point() {
  ln -sfn "$1" "$LINK.new"
  mv -T "$LINK.new" "$LINK"
}

go_over() {
  new=$1
  before=$(readlink "$LINK" || true)
  idle || fail "Refused: nothing is changed while a session is under way."
  if [ -z "$before" ]; then
    point "$new"
    echo "installed: $new"
    return
  fi
  # Stopped first: from here on no session can begin, and the journal has its last word.
  systemctl stop infusion-gateway.service
  if ! idle; then
    systemctl start infusion-gateway.service
    fail "Refused: a session began in this moment; the gateway runs on as it was."
  fi
  point "$new"
  if ! systemctl start infusion-gateway.service; then
    point "$before"
    systemctl start infusion-gateway.service || echo "The one before does not start either: journalctl -u infusion-gateway" >&2
    fail "Not gone over: $new does not come up. In use again: $before"
  fi
  ln -sfn "$before" "$RELEASES/before"
  systemctl try-restart infusion-gateway-annunciator.service 'infusion-gateway-station*.service' 'infusion-gateway-attend@*.service'
  for old in "$RELEASES"/*Z; do
    case $old in "$new" | "$before") ;; *) rm -rf "$old" ;; esac
  done
  echo "in use: $new; before: $before"
}

install_release() {
  source=$(readlink -f "${1:-$HERE/..}")
  [ -f "$source/requirements/run.txt" ] || fail "$source is no source directory: requirements/run.txt is missing"
  idle || fail "Refused: nothing is installed while a session is under way."
  new=$RELEASES/$(date -u +%Y%m%dT%H%M%SZ)
  mkdir -p "$RELEASES"
  trap 'rm -rf "$new"' EXIT
  python3 -m venv "$new"
  "$new/bin/pip" --disable-pip-version-check install --quiet --require-hashes -r "$source/requirements/run.txt"
  "$new/bin/pip" --disable-pip-version-check install --quiet --no-deps "$source"
  if [ -e "$CONFIG" ]; then
    runuser -u "$USER_NAME" -- "$new/bin/infusion-gateway" check -c "$CONFIG" >&2 ||
      fail "Refused: the new release can't use $CONFIG. Nothing was changed."
  fi
  trap - EXIT
  go_over "$new"
}

case ${1:-} in
  install) install_release "${2:-}" ;;
  back)
    [ -e "$RELEASES/before" ] || fail "There is no release before this one."
    go_over "$(readlink "$RELEASES/before")"
    ;;
  *) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

#!/bin/sh
# Runs Avahi in this network namespace with a message bus of its own, in the directory given, and says "ready". Ends when its standard input does.
set -eu
scratch=$1
mkdir -p /run/avahi-daemon
mount -t tmpfs none /run/avahi-daemon
cat >"$scratch/bus.conf" <<CONF
<busconfig><type>system</type><listen>unix:path=$scratch/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>
CONF
printf '[server]\nhost-name=station\nuse-ipv4=yes\nuse-ipv6=yes\nratelimit-interval-usec=0\n[wide-area]\nenable-wide-area=no\n' >"$scratch/avahi.conf"
export DBUS_SYSTEM_BUS_ADDRESS="unix:path=$scratch/bus"
dbus-daemon --nofork --config-file="$scratch/bus.conf" &
bus=$!
while [ ! -S "$scratch/bus" ]; do sleep 0.1; done
avahi-daemon --file="$scratch/avahi.conf" --no-drop-root --no-chroot --no-rlimits >"$scratch/avahi.log" 2>&1 &
avahi=$!
trap 'kill $avahi $bus 2>/dev/null || true; wait' EXIT
while ! grep -q 'startup complete' "$scratch/avahi.log"; do sleep 0.1; done
echo ready
cat >/dev/null

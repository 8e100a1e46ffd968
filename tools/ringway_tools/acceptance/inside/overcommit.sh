#!/bin/sh
# Runs inside a guest whose kernel promises no more memory than it has: Ringway's daemon, and guests that come at once.
#
# usage: overcommit.sh GUESTS MOST SECONDS
#
# Prints the commit limit, what joining.c prints, what the daemon has said, and "control answers" if it does.
echo 2 >/proc/sys/vm/overcommit_memory || exit 1
echo 80 >/proc/sys/vm/overcommit_ratio || exit 1
grep Commit /proc/meminfo
mkfifo /run/ready
ringway serve --listen qemu:/run/guests --no-state --control /run/control --max-guests "$2" --ready-fd 3 \
    3>/run/ready 2>/run/serve.log &
daemon=$!
read -r ready </run/ready
if [ "$ready" = ready ]; then
    joining /run/guests "$1" "$3"
    curl -sS --max-time 10 --unix-socket /run/control http://localhost/v1/status >/run/status &&
        grep -q '"guests"' /run/status && echo "control answers"
fi
cat /run/serve.log
grep Commit /proc/meminfo
kill $daemon

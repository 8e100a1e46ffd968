#!/bin/sh
# Runs inside a machine: `ringway serve`, an agent in a network namespace as its guest, and what both do with the sandbox
# on. So it is judged with that machine's kernel.
#
# usage: contained-cases.sh CASE...
#
# Output is that of judging.sh. Needs ringway, ringway-agent, curl, dig, dnsmasq and socat beside busybox.
host=192.168.127.254
gateway=192.168.127.1

. /judging.sh

mkdir -p /www /guest
head -c 16777216 /dev/urandom >/www/big
digest=$(sha256sum </www/big)
echo page >/guest/page
httpd -p 127.0.0.1:8000 -h /www
socat UDP4-RECVFROM:7000,bind=127.0.0.1,fork EXEC:/bin/cat &
dnsmasq --conf-file=/dev/null --user=root --pid-file= --no-resolv --no-hosts --bind-interfaces \
    --listen-address=127.0.0.1 --port=5353 --local=/test/ --host-record=machine.test,203.0.113.7

configure() {
    printf 'listen: unix:/run/agent.sock\ndns: 127.0.0.1:5353\npublish: ["127.0.0.1:%s:80"]\n' "$1" >/serve.yaml.new
    mv /serve.yaml.new /serve.yaml
}

configure 8080
mkfifo /run/ready
ringway serve --config /serve.yaml --control /run/control --no-state --ready-fd 3 3>/run/ready 2>/run/serve.log &
daemon=$!
read -r ready </run/ready
[ "$ready" = ready ] || {
    cat /run/serve.log >&2
    exit 1
}
unshare -n sh -c "ip link set lo up; exec ringway-agent run --host unix:/run/agent.sock --configure --resolv-conf ''" \
    2>/run/agent.log &
agent=$!
for attempt in $(seq 100); do
    nsenter -t $agent -n ip -4 addr show dev eth0 2>/dev/null | grep -q inet && break
    sleep 0.1
done
in_guest() { nsenter -t $agent -n "$@"; }
in_guest httpd -p 80 -h /guest

# True once a client reads the guest's page at a published port.
answers() {
    for attempt in $(seq 50); do
        [ "$(curl -sS --max-time 2 "http://127.0.0.1:$1/page" 2>/dev/null)" = page ] && return
        sleep 0.2
    done
    return 1
}

layers() {
    for process in $daemon $agent; do
        for field in NoNewPrivs:1 Seccomp:2; do
            found=$(cat /proc/$process/task/*/status | sed -n "s/^${field%:*}:[[:space:]]*//p" | sort -u)
            [ "$found" = "${field#*:}" ] || fail "$(cat /proc/$process/comm): ${field%:*} is $found"
        done
    done
    ringway status --json --control /run/control | tr -d ' \n' | grep -q '"sandbox":{"mode":"on"' || fail "not on"
    echo "$(uname -r): $(ls /proc/$daemon/task | wc -l) and $(ls /proc/$agent/task | wc -l) threads; $(
        ringway status --json --control /run/control | tr -d '\n' | sed -n 's/.*"missing" *: *\(\[[^]]*\]\).*/missing: \1/p'
    )"
}

tcp() {
    [ "$(in_guest curl -sSf http://$host:8000/big | sha256sum)" = "$digest" ] || fail "the file differs"
    echo "16 MiB, equal to the bit"
}

udp() {
    answer=$(printf datagram | in_guest socat -t 2 - UDP4:$host:7000)
    [ "$answer" = datagram ] || fail "the answer is \"$answer\""
    echo "a datagram there and back"
}

names() {
    for pair in host.ringway.internal=$host machine.test=203.0.113.7; do
        answer=$(in_guest dig @$gateway +short +time=2 +tries=2 "${pair%=*}")
        [ "$answer" = "${pair#*=}" ] || fail "${pair%=*} is ${answer:-not answered}"
    done
    echo "built-in and the host's"
}

published() {
    answers 8080 || fail "no page"
    echo "a client reads the guest's page"
}

control() {
    ringway status --json --control /run/control | tr -d ' \n' | grep -q '"guests":1' || fail "no guest is counted"
    echo "status answers, with one guest"
}

reload() {
    configure 8081
    answers 8081 || fail "no page at the new port"
    curl -sS --max-time 2 http://127.0.0.1:8080/page >/dev/null 2>&1 && fail "the former port still answers"
    echo "the new port is published, the former is not"
}

for case in "$@"; do judge "$case" "$case"; done
kill $agent $daemon
cat /run/serve.log /run/agent.log >&2

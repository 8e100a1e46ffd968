#!/bin/sh
# Runs inside a guest: what a machine does with its network, a line of output for each thing it did.
#
# usage: machine-cases.sh DIGEST SECONDS [CASE]...
#
# Each line of output is NAME, PASS or FAIL, seconds and text, with tabs between them. DIGEST is that of the big file on
# the host's web server, SECONDS how long a measurement lasts. Needs curl, dig and iperf3 beside busybox.
digest=$1
seconds=$2
shift 2

host4=192.168.127.254
gateway4=192.168.127.1
prefix6=fd00:1:2:3:
host6=${prefix6}:fe
gateway6=${prefix6}:1
name=host.ringway.internal

. /judging.sh

lease() {
    . /run/lease
    case $ip in 192.168.127.*) ;; *) fail "the lease is for ${ip:-no address}" ;; esac
    [ "$router" = $gateway4 ] || fail "the router is ${router:-missing}"
    [ "$dns" = $gateway4 ] || fail "the name server is ${dns:-missing}"
    echo "$ip/$mask, MTU ${mtu:-not told}, for $lease s"
}

autoconfiguration() {
    for attempt in $(seq 50); do
        address=$(ip -6 addr show dev eth0 scope global | sed -n 's/.*inet6 \([^ ]*\) .*/\1/p')
        case $address in
        "$prefix6"*)
            ip -6 route | grep -q "^default via fe80:" || fail "there is no default route"
            echo "$address"
            return
            ;;
        esac
        sleep 0.2
    done
    fail "no address within 10 s: $(ip -6 addr show dev eth0)"
}

names() {
    for transport in +notcp +tcp; do
        for family in a aaaa; do
            answer=$(dig +short +time=2 +tries=2 $transport "$name" $family)
            case $family in a) expected=$host4 ;; aaaa) expected=$host6 ;; esac
            [ "$answer" = "$expected" ] || fail "$name $family $transport is ${answer:-not answered}"
        done
    done
    answer=$(dig +short +time=2 +tries=2 machine.test aaaa)
    [ "$answer" = 2001:db8::7 ] || fail "the host's nameserver says ${answer:-nothing} of machine.test"
    status=$(dig +time=2 +tries=2 none.test | sed -n 's/.*status: \([A-Z]*\).*/\1/p')
    [ "$status" = NXDOMAIN ] || fail "a name that is none is answered by ${status:-nothing}"
    nslookup "$name" | grep -q $host4 || fail "nslookup has no answer"
    echo "built-in and the host's, A and AAAA, UDP and TCP, NXDOMAIN"
}

echoes() {
    for address in $gateway4 $host4; do
        ping -q -c 3 -W 2 $address | grep -q " 0% packet loss" || fail "$address does not answer"
    done
    for address in $gateway6 $host6; do
        ping6 -q -c 3 -W 2 $address | grep -q " 0% packet loss" || fail "$address does not answer"
    done
    echo "gateway and host, both families"
}

# A file down and back up over a family of addresses; what went up is judged on the host.
files() {
    rate=$(curl -sS "$1" -o /tmp/big -w '%{speed_download}' --max-time 150 "http://$name:8080/big") ||
        fail "the download failed: $rate"
    [ "$(sha256sum </tmp/big | cut -d ' ' -f 1)" = "$digest" ] || fail "the file downloaded differs"
    back=$(curl -sS -f "$1" -T /tmp/big -w '%{speed_upload}' --max-time 150 "http://$name:8080/upload/$2") ||
        fail "the upload failed: $back"
    awk -v size="$(wc -c </tmp/big)" -v down="$rate" -v up="${back##* }" 'BEGIN {
        printf "%d MiB down %.0f up %.0f Mb/s\n", size / 1048576, down * 8e-6, up * 8e-6 }'
    rm /tmp/big
}

files4() { files -4 machine4; }
files6() { files -6 machine6; }

# The receiver's rate, in the way that the flags say.
rate() {
    iperf3 -c "$1" -p 5201 -t "$seconds" -f m $2 >/tmp/iperf3 2>&1 || fail "iperf3 $2: $(tail -n 2 /tmp/iperf3)"
    sed -n 's/.* \([0-9.]*\) Mbits\/sec.*receiver.*/\1/p' /tmp/iperf3 | tail -n 1
}

rates() {
    up=$(rate "$1" "") && down=$(rate "$1" "-R") && datagrams=$(rate "$1" "-u -b 50M") || fail "$up $down $datagrams"
    [ -n "$up" ] && [ -n "$down" ] && [ -n "$datagrams" ] || fail "iperf3 has no result: $(cat /tmp/iperf3)"
    echo "up $up, down $down, UDP up $datagrams Mb/s"
}

iperf4() { rates $host4; }
iperf6() { rates $host6; }

[ $# -gt 0 ] || set -- lease autoconfiguration names echoes files4 files6 iperf4 iperf6
for item; do
    judge "$item" "$item"
done

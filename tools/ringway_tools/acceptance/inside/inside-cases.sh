#!/bin/sh
# Runs inside a guest: Ringway, the servers of its host and a guest of its own, all in one machine. So it is judged with
# that machine's kernel.
#
# usage: inside-cases.sh WAY MEBIBYTES SECONDS [CASE]...
#
# WAY is "run" or "run-2" (ringway run with one or two queues), or "vsock" or "vsock-2" (ringway serve and the agent in
# a namespace of its own, by AF_VSOCK). The environment's RINGWAY_OPTIONS go to ringway. Output is that of
# machine-cases.sh. Needs ringway, nginx, iperf3, dnsmasq and ringway-agent beside what machine-cases.sh needs.
way=$1
mebibytes=$2
seconds=$3
shift 3

mkdir -p /www/files /www/uploads /www/run
head -c $((mebibytes << 20)) /dev/urandom >/www/files/big
digest=$(sha256sum </www/files/big | cut -d ' ' -f 1)
cat >/www/nginx.conf <<CONFIGURATION
user root;
worker_processes 1;
pid /www/run/pid;
error_log /www/run/error.log;
events {}
http {
    access_log off;
    sendfile on;
    client_max_body_size 0;
    client_body_temp_path /www/run/body;
    proxy_temp_path /www/run/proxy;
    fastcgi_temp_path /www/run/fastcgi;
    uwsgi_temp_path /www/run/uwsgi;
    scgi_temp_path /www/run/scgi;
    server {
        listen 127.0.0.1:8080;
        listen [::1]:8080;
        root /www/files;
        location /upload/ { alias /www/uploads/; dav_methods PUT; }
    }
}
CONFIGURATION
nginx -p /www -e /www/run/error.log -c /www/nginx.conf
iperf3 -s -p 5201 -D
dnsmasq --conf-file=/dev/null --user=root --pid-file= --no-resolv --no-hosts --bind-interfaces \
    --listen-address=127.0.0.1 --port=5353 --local=/test/ --host-record=machine.test,203.0.113.7,2001:db8::7

queues=1
case $way in *-2) queues=2 ;; esac
options="--ipv6-prefix fd00:1:2:3::/64 --dns 127.0.0.1:5353 --shards $queues $RINGWAY_OPTIONS"
# The address is configured already; the lease is asked for all the same.
inner='udhcpc -q -n -t 5 -T 1 -i eth0 -s /etc/vm/lease >/dev/null 2>&1; exec sh /machine-cases.sh "$@"'
case $way in
run | run-2)
    ringway run $options -- sh -c "$inner" sh "$digest" "$seconds" "$@"
    ;;
vsock | vsock-2)
    mkfifo /run/ready
    ringway serve --listen vsock:1024,cid=1 --ready-fd 3 $options 3>/run/ready 2>/run/serve.log &
    daemon=$!
    read -r ready </run/ready
    [ "$ready" = ready ] || {
        cat /run/serve.log >&2
        exit 1
    }
    # The agent's own network namespace holds the interface that it makes; AF_VSOCK knows no namespaces.
    unshare -n sh -c "ip link set lo up; exec ringway-agent run --host vsock:1:1024 --queues $queues --configure" \
        2>/run/agent.log &
    agent=$!
    for attempt in $(seq 100); do
        nsenter -t $agent -n ip link show eth0 >/dev/null 2>&1 && break
        sleep 0.1
    done
    nsenter -t $agent -n ip link show eth0 >/dev/null || {
        cat /run/serve.log /run/agent.log >&2
        exit 1
    }
    nsenter -t $agent -n sh -c "$inner" sh "$digest" "$seconds" "$@"
    kill $agent $daemon
    cat /run/serve.log /run/agent.log >&2
    ;;
esac
for file in /www/uploads/*; do
    [ "$(sha256sum <"$file" | cut -d ' ' -f 1)" = "$digest" ] || printf 'uploads\tFAIL\t0\t%s differs\n' "$file"
done

#!/bin/sh
# Runs inside a guest: a Docker engine that pulls, builds and runs by the machine's network.
#
# usage: engine-cases.sh DIGEST [CASE]...
#
# Output is that of judging.sh. DIGEST is that of the small file on the host's web server; a registry listens on port
# 5000 of the host. Needs the engine's programs beside busybox.
digest=$1
shift
. /judging.sh

name=host.ringway.internal
image=$name:5000/base:1

engine() {
    mount -t cgroup2 none /sys/fs/cgroup
    # The root in memory cannot be pivoted; the engine knows this case. For overlays its own folder must be elsewhere.
    mkdir -p /var/lib/docker
    mount -t tmpfs none /var/lib/docker
    DOCKER_RAMDISK=1 dockerd --insecure-registry $name:5000 >/run/dockerd.log 2>&1 &
    for attempt in $(seq 300); do
        docker version --format '{{.Server.Version}}' 2>/dev/null && return
        sleep 0.2
    done
    fail "no answer within 60 s: $(tail -n 3 /run/dockerd.log)"
}

registry() {
    mkdir -p /tmp/image/bin
    cp /bin/busybox /tmp/image/bin/
    for applet in sh wget sha256sum httpd mkdir echo nslookup cat; do ln -s busybox /tmp/image/bin/$applet; done
    head -c 4194304 /dev/urandom >/tmp/image/noise
    tar -C /tmp/image -c . | docker import - $image >/dev/null || fail "no image"
    docker push -q $image || fail "push"
    docker rmi $image >/dev/null
    docker pull -q $image || fail "pull"
}

build() {
    mkdir -p /tmp/context
    cat >/tmp/context/Dockerfile <<RECIPE
FROM $image
RUN wget -q -O /big http://$name:8080/small && echo '$digest  /big' | sha256sum -c
RECIPE
    DOCKER_BUILDKIT=0 docker build -q -t built /tmp/context
}

container() {
    docker run --rm built sh -c "nslookup $name && wget -q -O - http://$name:8080/small | sha256sum" >/tmp/container ||
        fail "$(cat /tmp/container)"
    grep -q "$digest" /tmp/container || fail "the file differs"
    echo "a name and 10 MiB, equal"
}

published() {
    docker run -d -p 18080:80 $image \
        sh -c 'mkdir /www && echo page >/www/page && exec httpd -f -p 80 -h /www' >/dev/null
    for attempt in $(seq 50); do
        answer=$(wget -q -O - http://127.0.0.1:18080/page 2>/dev/null)
        [ "$answer" = page ] && break
        sleep 0.2
    done
    [ "$answer" = page ] || fail "no answer inside the machine"
    # The host reads it too, and leaves word of it.
    for attempt in $(seq 100); do
        if [ "$(wget -q -O - http://$name:8080/published 2>/dev/null)" = page ]; then
            echo "inside the machine and on the host"
            return
        fi
        sleep 0.2
    done
    fail "no answer on the host"
}

[ $# -gt 0 ] || set -- engine registry build container published
for item; do
    judge "$item" "$item"
done

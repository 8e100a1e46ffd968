// Guests that join a network at once: each is a stream of QEMU's to the socket of "ringway serve".
//
// usage: joining PATH COUNT SECONDS
//
// All connect and ask for the gateway's ethernet address (ARP) at the same time. Those with an answer have joined; those
// whose connection is closed are refused; others have had no answer in time. Then every one that has joined sends an echo
// request to the gateway, with all the others still there. Prints one line:
//
//     joined N refused N silent N answered N
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 1000, ROOM = 1 << 16, ETHERNET = 14, ARP = 28, IPV4 = 20, ECHO = 16 };
enum state { CONNECTING, ASKING, JOINED, REFUSED, ANSWERED };

struct guest {
    int link;
    enum state state;
    uint8_t gateway[6];
    size_t held;
    uint8_t *data;
};

static struct guest guests[MOST];
static const char *path;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void fail(const char *what) {
    fprintf(stderr, "joining: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void mac_of(int number, uint8_t *mac) {
    const uint8_t address[6] = {0x52, 0x54, 0, 0x77, (uint8_t)(number >> 8), (uint8_t)number};
    memcpy(mac, address, 6);
}

// 192.168.127.0/24 has room for 250; a wider network is asked for with more.
static uint32_t address_of(int number) { return htonl(0xC0A87F02u + (uint32_t)number); }

static const uint32_t gateway_address = 0xC0A87F01u;

static void put16(uint8_t *at, unsigned value) {
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static unsigned checksum(const uint8_t *data, size_t length) {
    unsigned sum = 0;
    for (size_t i = 0; i + 1 < length; i += 2) sum += (unsigned)(data[i] << 8 | data[i + 1]);
    while (sum >> 16) sum = (sum & 0xFFFF) + (sum >> 16);
    return ~sum & 0xFFFF;
}

static void refuse(struct guest *guest) {
    close(guest->link);
    guest->link = -1;
    guest->state = REFUSED;
}

// A frame of this size fits any socket's buffer, so it is written whole or the connection is gone.
static void send_frame(struct guest *guest, const uint8_t *frame, size_t length) {
    uint8_t data[128];
    put16(data, 0);
    put16(data + 2, (unsigned)length);
    memcpy(data + 4, frame, length);
    if (send(guest->link, data, length + 4, MSG_NOSIGNAL) != (ssize_t)(length + 4)) refuse(guest);
}

static void ask_for_gateway(int number) {
    uint8_t frame[ETHERNET + ARP] = {0};
    uint32_t own = address_of(number), asked = htonl(gateway_address);
    memset(frame, 0xFF, 6);
    mac_of(number, frame + 6);
    put16(frame + 12, 0x0806);
    const uint8_t head[8] = {0, 1, 8, 0, 6, 4, 0, 1};
    memcpy(frame + 14, head, 8);
    mac_of(number, frame + 22);
    memcpy(frame + 28, &own, 4);
    memcpy(frame + 38, &asked, 4);
    send_frame(&guests[number], frame, sizeof frame);
}

static void send_echo(int number) {
    uint8_t frame[ETHERNET + IPV4 + ECHO] = {0};
    uint32_t own = address_of(number), target = htonl(gateway_address);
    memcpy(frame, guests[number].gateway, 6);
    mac_of(number, frame + 6);
    put16(frame + 12, 0x0800);
    uint8_t *packet = frame + ETHERNET, *echo = packet + IPV4;
    packet[0] = 0x45;
    put16(packet + 2, IPV4 + ECHO);
    packet[8] = 64;
    packet[9] = 1;
    memcpy(packet + 12, &own, 4);
    memcpy(packet + 16, &target, 4);
    put16(packet + 10, checksum(packet, IPV4));
    echo[0] = 8;
    put16(echo + 4, 1);
    put16(echo + 6, 1);
    put16(echo + 2, checksum(echo, ECHO));
    send_frame(&guests[number], frame, sizeof frame);
}

static void take_frame(int number, const uint8_t *frame, size_t length) {
    struct guest *guest = &guests[number];
    if (guest->state == ASKING && length >= ETHERNET + ARP && frame[12] == 8 && frame[13] == 6 && frame[21] == 2) {
        memcpy(guest->gateway, frame + 22, 6);
        guest->state = JOINED;
    } else if (guest->state == JOINED && length >= ETHERNET + IPV4 + 8 && frame[12] == 8 && frame[13] == 0
               && frame[23] == 1 && frame[34] == 0) {
        guest->state = ANSWERED;
    }
}

static void receive(int number) {
    struct guest *guest = &guests[number];
    ssize_t count = recv(guest->link, guest->data + guest->held, ROOM - guest->held, MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) {
        refuse(guest);
        return;
    }
    guest->held += (size_t)count;
    size_t start = 0;
    while (guest->held - start >= 4) {
        size_t length = (size_t)guest->data[start + 2] << 8 | guest->data[start + 3];
        if (guest->held - start - 4 < length) break;
        take_frame(number, guest->data + start + 4, length);
        start += 4 + length;
    }
    memmove(guest->data, guest->data + start, guest->held - start);
    guest->held -= start;
}

static void try_connect(int number) {
    struct guest *guest = &guests[number];
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    strncpy(name.sun_path, path, sizeof name.sun_path - 1);
    guest->link = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (guest->link < 0) fail("socket");
    if (connect(guest->link, (struct sockaddr *)&name, sizeof name) != 0) {
        // The listener's queue is full: tried again.
        close(guest->link);
        guest->link = -1;
        return;
    }
    guest->state = ASKING;
    ask_for_gateway(number);
}

// Serves all links until no guest is in one of two states, or the time is up.
static void serve(int count, enum state first, enum state second, double until) {
    double again = now() + 1;
    for (;;) {
        struct pollfd entries[MOST];
        int waiting = 0;
        for (int i = 0; i < count; i++) {
            if (guests[i].state == CONNECTING) try_connect(i);
            waiting += guests[i].state == first || guests[i].state == second;
            entries[i] = (struct pollfd){.fd = guests[i].link, .events = POLLIN};
        }
        if (waiting == 0 || now() > until) return;
        if (poll(entries, (nfds_t)count, 20) < 0 && errno != EINTR) fail("poll");
        for (int i = 0; i < count; i++)
            if (guests[i].link >= 0 && entries[i].revents) receive(i);
        if (now() < again) continue;
        again = now() + 1;
        for (int i = 0; i < count; i++) {
            if (guests[i].state == ASKING) ask_for_gateway(i);
            if (guests[i].state == JOINED && first == JOINED) send_echo(i);
        }
    }
}

static int counted(int count, enum state state) {
    int found = 0;
    for (int i = 0; i < count; i++) found += guests[i].state == state;
    return found;
}

int main(int argc, char **argv) {
    int count = argc == 4 ? atoi(argv[2]) : 0;
    double seconds = argc == 4 ? atof(argv[3]) : 0;
    if (count < 1 || count > MOST || seconds <= 0) {
        fprintf(stderr, "usage: joining PATH COUNT SECONDS    (at most %d)\n", MOST);
        return 2;
    }
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    path = argv[1];
    for (int i = 0; i < count; i++) {
        guests[i].link = -1;
        guests[i].data = malloc(ROOM);
        if (!guests[i].data) fail("malloc");
    }
    serve(count, CONNECTING, ASKING, now() + seconds);
    int joined = counted(count, JOINED), refused = counted(count, REFUSED);
    for (int i = 0; i < count; i++)
        if (guests[i].state == JOINED) send_echo(i);
    serve(count, JOINED, JOINED, now() + seconds);
    printf("joined %d refused %d silent %d answered %d\n", joined, refused, count - joined - refused,
           counted(count, ANSWERED));
    return 0;
}

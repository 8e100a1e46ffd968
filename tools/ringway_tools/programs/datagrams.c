// UDP flat out: one side sends for some seconds, the other counts what arrives. Each prints one JSON object at its end.
//
//     datagrams receive PORT GRO                                    counts until SIGTERM
//     datagrams send    ADDRESS PORT BYTES SECONDS SEGMENTS RATE
//     datagrams answer  ADDRESS PORT BYTES SECONDS SEGMENTS RATE   waits for a datagram, then sends to its sender
//     datagrams ask     ADDRESS PORT GRO                            sends one datagram and counts answers until SIGTERM
//     datagrams query   ADDRESS PORT SECONDS OUTSTANDING            DNS: each socket asks again once it is answered
//
// GRO is 1 to take several datagrams of a flow in one piece (UDP_GRO). SEGMENTS above 1 hands the kernel that many
// datagrams in one piece (UDP_SEGMENT). RATE is in datagrams per second, 0 for as fast as it goes.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum { BATCH = 32, LARGEST = 65536, SOCKET_BUFFER = 4 << 20, MOST_OUTSTANDING = 1024 };

static volatile sig_atomic_t told_to_end;

static void end(int signal_number) {
    (void)signal_number;
    told_to_end = 1;
}

static void fail(const char *what) {
    fprintf(stderr, "datagrams: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static struct sockaddr_in address_of(const char *host, const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
        errno = EINVAL;
        fail(host);
    }
    return address;
}

// Every socket has the same large buffers, as those of QUIC programs have.
static int datagram_socket(void) {
    int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), bytes = SOCKET_BUFFER;
    if (descriptor < 0) fail("socket");
    if (setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    if (setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) != 0)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    return descriptor;
}

static int bound_socket(const char *host, const char *port) {
    int descriptor = datagram_socket(), one = 1;
    struct sockaddr_in address = address_of(host, port);
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(descriptor, (struct sockaddr *)&address, sizeof address) != 0) fail("bind");
    return descriptor;
}

static int connected_socket(const char *host, const char *port) {
    int descriptor = datagram_socket();
    struct sockaddr_in address = address_of(host, port);
    if (connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
    return descriptor;
}

// The number of datagrams in a received piece: the kernel gives their size when it has merged several.
static uint64_t datagrams_in(struct msghdr *message, uint64_t bytes) {
    for (struct cmsghdr *item = CMSG_FIRSTHDR(message); item; item = CMSG_NXTHDR(message, item)) {
        if (item->cmsg_level == SOL_UDP && item->cmsg_type == UDP_GRO) {
            int size;
            memcpy(&size, CMSG_DATA(item), sizeof size);
            if (size > 0) return (bytes + (uint64_t)size - 1) / (uint64_t)size;
        }
    }
    return 1;
}

static void receive(int descriptor, int merges) {
    static char bytes[BATCH][LARGEST], control[BATCH][CMSG_SPACE(sizeof(int))];
    struct mmsghdr messages[BATCH];
    struct iovec pieces[BATCH];
    struct timeval timeout = {.tv_usec = 50000};
    uint64_t datagrams = 0, received = 0, first = 0, last = 0;
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    if (merges && setsockopt(descriptor, SOL_UDP, UDP_GRO, &merges, sizeof merges) != 0) fail("UDP_GRO");
    while (!told_to_end) {
        for (int index = 0; index < BATCH; index++) {
            pieces[index] = (struct iovec){bytes[index], LARGEST};
            messages[index].msg_hdr = (struct msghdr){
                .msg_iov = &pieces[index], .msg_iovlen = 1, .msg_control = control[index],
                .msg_controllen = sizeof control[index]};
        }
        int count = recvmmsg(descriptor, messages, BATCH, MSG_WAITFORONE, NULL);
        if (count <= 0) continue;
        last = nanoseconds();
        if (!first) first = last;
        for (int index = 0; index < count; index++) {
            datagrams += datagrams_in(&messages[index].msg_hdr, messages[index].msg_len);
            received += messages[index].msg_len;
        }
    }
    printf("{\"datagrams\": %llu, \"bytes\": %llu, \"seconds\": %.6f}\n", (unsigned long long)datagrams,
           (unsigned long long)received, (double)(last - first) / 1e9);
}

static void send_for(int descriptor, size_t bytes, double seconds, size_t segments, double rate) {
    static char payload[LARGEST], control[CMSG_SPACE(sizeof(uint16_t))];
    struct mmsghdr messages[BATCH];
    struct iovec piece = {payload, bytes * segments};
    if (bytes < 1 || bytes * segments > 65507) {
        errno = EMSGSIZE;
        fail("BYTES times SEGMENTS");
    }
    memset(messages, 0, sizeof messages);
    for (int index = 0; index < BATCH; index++) {
        messages[index].msg_hdr = (struct msghdr){.msg_iov = &piece, .msg_iovlen = 1};
        if (segments > 1) {
            messages[index].msg_hdr.msg_control = control;
            messages[index].msg_hdr.msg_controllen = sizeof control;
        }
    }
    if (segments > 1) {
        struct cmsghdr *item = CMSG_FIRSTHDR(&messages[0].msg_hdr);
        uint16_t size = (uint16_t)bytes;
        *item = (struct cmsghdr){.cmsg_level = SOL_UDP, .cmsg_type = UDP_SEGMENT, .cmsg_len = CMSG_LEN(sizeof size)};
        memcpy(CMSG_DATA(item), &size, sizeof size);
    }
    // A batch holds 32 pieces when flat out; a slow pace sends one at a time, so that it is a pace.
    unsigned batch = segments > 1 ? 4 : BATCH;
    if (rate > 0) batch = 1;
    uint64_t start = nanoseconds(), until = start + (uint64_t)(seconds * 1e9), now = start, sent = 0, refused = 0;
    int problem = 0;
    while (now < until && !told_to_end) {
        int count = sendmmsg(descriptor, messages, batch, 0);
        if (count > 0) {
            sent += (uint64_t)count * segments;
        } else {
            refused++;
            problem = errno;
            if (errno == EIO || errno == EINVAL || errno == EMSGSIZE) fail("sendmmsg");
        }
        now = nanoseconds();
        if (rate > 0) {
            uint64_t due = start + (uint64_t)((double)sent / rate * 1e9);
            if (due > now) {
                struct timespec pause = {(time_t)((due - now) / 1000000000), (long)((due - now) % 1000000000)};
                nanosleep(&pause, NULL);
            }
        }
    }
    printf("{\"datagrams\": %llu, \"bytes\": %llu, \"seconds\": %.6f, \"refused\": %llu, \"last\": \"%s\"}\n",
           (unsigned long long)sent, (unsigned long long)(sent * bytes), (double)(now - start) / 1e9,
           (unsigned long long)refused, problem ? strerror(problem) : "");
}

static void answer(const char *host, const char *port, size_t bytes, double seconds, size_t segments, double rate) {
    int descriptor = bound_socket(host, port);
    char hello[64];
    struct sockaddr_in client;
    socklen_t length = sizeof client;
    puts("listening");
    fflush(stdout);
    while (recvfrom(descriptor, hello, sizeof hello, 0, (struct sockaddr *)&client, &length) < 0)
        if (told_to_end) return;
    if (connect(descriptor, (struct sockaddr *)&client, length) != 0) fail("connect");
    send_for(descriptor, bytes, seconds, segments, rate);
}

// A query for the address of NUMBER.bench.test, so that no two are alike and no cache can answer.
static size_t query_for(uint8_t *bytes, uint16_t identifier, uint32_t number) {
    char label[16];
    uint8_t header[12] = {(uint8_t)(identifier >> 8), (uint8_t)identifier, 1, 0, 0, 1};
    int length = snprintf(label, sizeof label, "n%u", number);
    uint8_t *next = bytes;
    memcpy(next, header, sizeof header);
    next += sizeof header;
    *next++ = (uint8_t)length;
    memcpy(next, label, (size_t)length);
    next += length;
    memcpy(next, "\5bench\4test\0\0\1\0\1", 16);
    return (size_t)(next + 16 - bytes);
}

struct asker {
    int descriptor;
    uint16_t identifier;
    uint64_t asked;
};

static void ask_name(struct asker *asker, uint64_t now) {
    static uint32_t number;
    uint8_t bytes[64];
    asker->identifier = (uint16_t)(number * 40503u);
    asker->asked = now;
    size_t length = query_for(bytes, asker->identifier, number++);
    // A refused query counts as one without a response.
    (void)!send(asker->descriptor, bytes, length, 0);
}

static int ascending(const void *first, const void *second) {
    uint32_t left = *(const uint32_t *)first, right = *(const uint32_t *)second;
    return left < right ? -1 : left > right;
}

static void query(const char *host, const char *port, double seconds, int outstanding) {
    static struct asker askers[MOST_OUTSTANDING];
    static uint32_t waits[1 << 22];
    struct epoll_event events[64];
    int poll = epoll_create1(EPOLL_CLOEXEC);
    uint64_t answered = 0, lost = 0, start = nanoseconds(), now = start, until = start + (uint64_t)(seconds * 1e9);
    if (outstanding < 1 || outstanding > MOST_OUTSTANDING) outstanding = MOST_OUTSTANDING;
    for (int index = 0; index < outstanding; index++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &askers[index]};
        askers[index].descriptor = connected_socket(host, port);
        if (epoll_ctl(poll, EPOLL_CTL_ADD, askers[index].descriptor, &event) != 0) fail("epoll_ctl");
        ask_name(&askers[index], now);
    }
    while (now < until && !told_to_end) {
        int count = epoll_wait(poll, events, 64, 100);
        now = nanoseconds();
        for (int index = 0; index < count; index++) {
            struct asker *asker = events[index].data.ptr;
            uint8_t bytes[1500];
            ssize_t length = recv(asker->descriptor, bytes, sizeof bytes, MSG_DONTWAIT);
            // Only an answer that carries an address is one.
            if (length < 12 || (bytes[0] << 8 | bytes[1]) != asker->identifier || bytes[7] == 0) continue;
            if (answered < sizeof waits / sizeof *waits) waits[answered] = (uint32_t)((now - asker->asked) / 1000);
            answered++;
            ask_name(asker, now);
        }
        for (int index = 0; index < outstanding; index++) {
            if (now - askers[index].asked < 1000000000) continue;
            lost++;
            ask_name(&askers[index], now);
        }
    }
    size_t kept = answered < sizeof waits / sizeof *waits ? answered : sizeof waits / sizeof *waits;
    qsort(waits, kept, sizeof *waits, ascending);
    printf("{\"answered\": %llu, \"lost\": %llu, \"seconds\": %.6f, \"p50\": %u, \"p99\": %u}\n",
           (unsigned long long)answered, (unsigned long long)lost, (double)(now - start) / 1e9,
           kept ? waits[kept / 2] : 0, kept ? waits[kept * 99 / 100] : 0);
}

int main(int count, char **arguments) {
    struct sigaction action = {.sa_handler = end};
    sigaction(SIGTERM, &action, NULL);
    const char *kind = count > 1 ? arguments[1] : "";
    if (count == 4 && strcmp(kind, "receive") == 0) {
        int descriptor = bound_socket("0.0.0.0", arguments[2]);
        puts("listening");
        fflush(stdout);
        receive(descriptor, atoi(arguments[3]));
    } else if (count == 8 && strcmp(kind, "send") == 0) {
        send_for(connected_socket(arguments[2], arguments[3]), (size_t)atoi(arguments[4]), atof(arguments[5]),
                 (size_t)atoi(arguments[6]), atof(arguments[7]));
    } else if (count == 8 && strcmp(kind, "answer") == 0) {
        answer(arguments[2], arguments[3], (size_t)atoi(arguments[4]), atof(arguments[5]), (size_t)atoi(arguments[6]),
               atof(arguments[7]));
    } else if (count == 5 && strcmp(kind, "ask") == 0) {
        int descriptor = connected_socket(arguments[2], arguments[3]);
        if (send(descriptor, "hello", 5, 0) < 0) fail("send");
        receive(descriptor, atoi(arguments[4]));
    } else if (count == 6 && strcmp(kind, "query") == 0) {
        query(arguments[2], arguments[3], atof(arguments[4]), atoi(arguments[5]));
    } else {
        fputs("datagrams: see the head of datagrams.c\n", stderr);
        return 2;
    }
    return 0;
}

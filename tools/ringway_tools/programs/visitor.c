// A good guest's traffic and how long each answer took. Prints one JSON object at its end; times are microseconds.
//
//     visitor ask     ADDRESS PORT           a request each millisecond on one TCP connection, 64 bytes to and fro
//     visitor names   ADDRESS                the same with queries for A records of names of which no two are alike
//     visitor ping    ADDRESS                the same with echo requests
//     visitor connect ADDRESS PORT SECONDS   one at a time: connect, 64 bytes to and fro, close
//
// The first three print "running" after the first answer and run until SIGTERM; SIGUSR1 discards their counts.
// No answer within a second is a failure. A wait that is longer than the interval between requests also counts as the
// requests that it has held up: otherwise a stall of 100 ms would be one sample among thousands.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE = 64 };

static const uint64_t interval = 1000000, timeout = 1000000000, retry_interval = 10000000;

static volatile sig_atomic_t told_to_end, told_to_forget;

static void end(int signal_number) {
    (void)signal_number;
    told_to_end = 1;
}

static void forget(int signal_number) {
    (void)signal_number;
    told_to_forget = 1;
}

static void fail(const char *what) {
    fprintf(stderr, "visitor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void sleep_until(uint64_t time) {
    struct timespec until = {.tv_sec = (time_t)(time / 1000000000), .tv_nsec = (long)(time % 1000000000)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

static uint64_t *samples, start;
static size_t recorded, room;
static unsigned long answers, failures;

static void record_one(uint64_t time) {
    if (recorded == room) {
        room = room ? 2 * room : 1 << 16;
        samples = realloc(samples, room * sizeof *samples);
        if (!samples) fail("realloc");
    }
    samples[recorded++] = time;
}

static void record(uint64_t time) {
    record_one(time);
    while (time > interval) record_one(time -= interval);
}

static int ascending(const void *first, const void *second) {
    uint64_t a = *(const uint64_t *)first, b = *(const uint64_t *)second;
    return (a > b) - (a < b);
}

static double percentile(double share) {
    return recorded ? (double)samples[(size_t)((double)(recorded - 1) * share)] / 1000 : 0;
}

static void report(void) {
    double seconds = (double)(nanoseconds() - start) / 1e9;
    qsort(samples, recorded, sizeof *samples, ascending);
    printf("{\"answers\": %lu, \"failures\": %lu, \"seconds\": %.6f, \"p50\": %.1f, \"p99\": %.1f, \"max\": %.1f}\n",
           answers, failures, seconds, percentile(0.5), percentile(0.99), percentile(1));
}

static struct sockaddr_in server;

// Waits for the event until the deadline, however often a signal interrupts; 1 when it is there.
static int await(int descriptor, short event, uint64_t deadline) {
    struct pollfd entry = {.fd = descriptor, .events = event};
    for (;;) {
        uint64_t now = nanoseconds();
        if (now >= deadline || told_to_end) return 0;
        struct timespec rest = {.tv_sec = (time_t)((deadline - now) / 1000000000),
                                .tv_nsec = (long)((deadline - now) % 1000000000)};
        int ready = ppoll(&entry, 1, &rest, NULL);
        if (ready == 1) return 1;
        if (ready < 0 && errno != EINTR) fail("ppoll");
    }
}

// A connection, or -1 when there is none within the timeout.
static int open_connection(void) {
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1, problem = 0;
    socklen_t length = sizeof problem;
    if (descriptor < 0) fail("socket");
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(descriptor, (struct sockaddr *)&server, sizeof server) == 0) return descriptor;
    if (errno == EINPROGRESS && await(descriptor, POLLOUT, nanoseconds() + timeout) &&
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &problem, &length) == 0 && problem == 0)
        return descriptor;
    close(descriptor);
    return -1;
}

static int open_datagrams(void) {
    int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) fail("socket");
    if (connect(descriptor, (struct sockaddr *)&server, sizeof server) != 0) fail("connect");
    return descriptor;
}

static int open_echoes(void) {
    int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMP);
    if (descriptor < 0) fail("ping socket");
    if (connect(descriptor, (struct sockaddr *)&server, sizeof server) != 0) fail("connect");
    return descriptor;
}

static size_t message(uint8_t *bytes, uint16_t number) {
    (void)number;
    memset(bytes, 0, MESSAGE);
    return MESSAGE;
}

// A query for the A record of goodPROCESS-NUMBER-TIME.test.
static size_t query(uint8_t *bytes, uint16_t number) {
    static const uint8_t tail[] = {4, 't', 'e', 's', 't', 0, 0, 1, 0, 1};
    const uint8_t head[12] = {(uint8_t)(number >> 8), (uint8_t)number, 1, 0, 0, 1};
    char label[64];
    int length = snprintf(label, sizeof label, "good%d-%u-%x", (int)getpid(), number, (unsigned)nanoseconds());
    memcpy(bytes, head, sizeof head);
    bytes[12] = (uint8_t)length;
    memcpy(bytes + 13, label, (size_t)length);
    memcpy(bytes + 13 + length, tail, sizeof tail);
    return 13 + (size_t)length + sizeof tail;
}

static size_t echo(uint8_t *bytes, uint16_t number) {
    struct icmphdr header = {.type = ICMP_ECHO, .un.echo.sequence = htons(number)};
    memset(bytes, 0, MESSAGE);
    memcpy(bytes, &header, sizeof header);
    return MESSAGE;
}

// Judges a response: 1 for the expected one, 0 for another's or an incomplete one, -1 for a refusal.
static int is_message(const uint8_t *bytes, size_t length, uint16_t number) {
    (void)bytes, (void)number;
    return length == MESSAGE;
}

static int is_answer(const uint8_t *bytes, size_t length, uint16_t number) {
    if (length < 12 || bytes[0] != number >> 8 || bytes[1] != (number & 255)) return 0;
    // A code other than zero, or no record.
    return (bytes[3] & 15) == 0 && (bytes[6] | bytes[7]) ? 1 : -1;
}

static int is_echo(const uint8_t *bytes, size_t length, uint16_t number) {
    struct icmphdr header;
    if (length < sizeof header) return 0;
    memcpy(&header, bytes, sizeof header);
    return header.type == ICMP_ECHOREPLY && header.un.echo.sequence == htons(number);
}

struct way {
    const char *name;
    int is_stream;
    int (*open)(void);
    size_t (*make)(uint8_t *bytes, uint16_t number);
    int (*judge)(const uint8_t *bytes, size_t length, uint16_t number);
};

static const struct way ways[] = {
    {"ask", 1, open_connection, message, is_message},
    {"names", 0, open_datagrams, query, is_answer},
    {"ping", 0, open_echoes, echo, is_echo},
};

// One request and its answer: 1, or 0 when there is none within the timeout.
static int exchange(const struct way *way, int descriptor, uint16_t number) {
    uint8_t bytes[1024];
    size_t length = way->make(bytes, number), received = 0;
    uint64_t deadline = nanoseconds() + timeout;
    if (send(descriptor, bytes, length, MSG_NOSIGNAL) != (ssize_t)length) return 0;
    while (await(descriptor, POLLIN, deadline)) {
        ssize_t count = recv(descriptor, bytes + received, sizeof bytes - received, 0);
        if (count < 0 && errno == EAGAIN) continue;
        if (count <= 0) return 0;
        received += (size_t)count;
        int verdict = way->judge(bytes, received, number);
        if (verdict != 0) return verdict > 0;
        if (!way->is_stream) received = 0;
    }
    return 0;
}

static void ask(const struct way *way) {
    int descriptor = -1, has_run = 0;
    uint16_t number = 0;
    uint64_t due = nanoseconds();
    start = due;
    while (!told_to_end) {
        if (told_to_forget) {
            told_to_forget = 0;
            recorded = answers = failures = 0;
            start = nanoseconds();
        }
        sleep_until(due);
        uint64_t before = nanoseconds();
        if (descriptor < 0) descriptor = way->open();
        int is_answered = descriptor >= 0 && exchange(way, descriptor, ++number);
        uint64_t now = nanoseconds();
        due += interval;
        if (due < now) due = now;
        record(now - before);
        if (is_answered) {
            answers++;
            if (!has_run) {
                has_run = 1;
                puts("running");
                fflush(stdout);
            }
        } else if (!told_to_end) {
            failures++;
            due = now + retry_interval;
            if (way->is_stream && descriptor >= 0) {
                close(descriptor);
                descriptor = -1;
            }
        }
    }
}

static void visit(double seconds) {
    start = nanoseconds();
    uint64_t until = start + (uint64_t)(seconds * 1e9);
    while (!told_to_end) {
        uint64_t before = nanoseconds();
        if (before >= until) break;
        int descriptor = open_connection();
        int is_answered = descriptor >= 0 && exchange(&ways[0], descriptor, 0);
        if (descriptor >= 0) close(descriptor);
        record_one(nanoseconds() - before);
        if (is_answered) {
            answers++;
        } else {
            failures++;
            sleep_until(nanoseconds() + retry_interval);
        }
    }
}

int main(int count, char **arguments) {
    struct sigaction action = {.sa_handler = end}, another = {.sa_handler = forget};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &another, NULL);
    server.sin_family = AF_INET;
    const char *kind = count > 1 ? arguments[1] : "";
    if (count < 3 || inet_pton(AF_INET, arguments[2], &server.sin_addr) != 1) {
        fputs("visitor: see the head of visitor.c\n", stderr);
        return 2;
    }
    server.sin_port = htons(count > 3 ? (uint16_t)atoi(arguments[3]) : 53);
    if (count == 5 && strcmp(kind, "connect") == 0) {
        visit(atof(arguments[4]));
        report();
        return 0;
    }
    for (size_t index = 0; index < sizeof ways / sizeof *ways; index++) {
        if (strcmp(kind, ways[index].name) != 0) continue;
        ask(&ways[index]);
        report();
        return 0;
    }
    return 2;
}

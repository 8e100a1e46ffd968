// Small messages over TCP, and how long each answer took. Each kind of client prints one JSON object at its end.
//
//     exchanges serve PORT PORTS                            echoes on PORTS ports from PORT on
//     exchanges ask   ADDRESS PORT PORTS SECONDS COUNT      COUNT connections, 64 bytes to and fro on each
//     exchanges cycle ADDRESS PORT PORTS SECONDS COUNT      COUNT at a time: connect, 64 bytes to and fro, close
//     exchanges hold  ADDRESS PORT PORTS COUNT              COUNT connections that say nothing, until SIGTERM
//
// "running" or "held" is printed once every connection is there. SIGTERM ends a client early, SIGUSR1 lets "ask" forget
// what it has counted so far. Times are microseconds.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BYTES = 64, EVENTS = 256, AT_ONCE = 256 };

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
    fprintf(stderr, "exchanges: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

// Counts per time: 32 steps for each power of two, so that a percentile is right within 3 percent.
static uint64_t histogram[64 * 64], recorded, longest;

static void record(uint64_t time) {
    unsigned power = time < 64 ? 0 : 63u - (unsigned)__builtin_clzll(time) - 5;
    histogram[power * 64 + (power ? (time >> power) : time)]++;
    recorded++;
    if (time > longest) longest = time;
}

static double percentile(double share) {
    uint64_t wanted = (uint64_t)((double)recorded * share), seen = 0;
    for (unsigned index = 0; index < sizeof histogram / sizeof *histogram; index++) {
        seen += histogram[index];
        if (seen > wanted) return (double)((uint64_t)(index % 64) << (index / 64)) / 1000;
    }
    return (double)longest / 1000;
}

static int poll_of_events;

static void watch(int descriptor, uint32_t events, uint64_t tag, int operation) {
    struct epoll_event event = {.events = events, .data.u64 = tag};
    if (epoll_ctl(poll_of_events, operation, descriptor, &event) != 0) fail("epoll_ctl");
}

static void without_delay(int descriptor) {
    int one = 1;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void serve(int port, int ports) {
    static char bytes[65536];
    struct epoll_event events[EVENTS];
    for (int index = 0; index < ports; index++) {
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)(port + index))};
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0) fail("bind");
        if (listen(listener, 4096) != 0) fail("listen");
        watch(listener, EPOLLIN, (uint64_t)listener << 1 | 1, EPOLL_CTL_ADD);
    }
    puts("listening");
    fflush(stdout);
    while (!told_to_end) {
        int count = epoll_wait(poll_of_events, events, EVENTS, -1);
        for (int index = 0; index < count; index++) {
            int descriptor = (int)(events[index].data.u64 >> 1);
            if (events[index].data.u64 & 1) {
                int client;
                while ((client = accept4(descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
                    without_delay(client);
                    watch(client, EPOLLIN, (uint64_t)client << 1, EPOLL_CTL_ADD);
                }
                continue;
            }
            ssize_t length = recv(descriptor, bytes, sizeof bytes, 0);
            if (length < 0 && errno == EAGAIN) continue;
            // Messages are far smaller than a socket's buffer, so a short send means that the client has gone.
            if (length <= 0 || send(descriptor, bytes, (size_t)length, MSG_NOSIGNAL) != length) close(descriptor);
        }
    }
}

struct connection {
    int descriptor;
    int is_open;
    size_t received;
    uint64_t started;
};

static struct connection *connections;
static struct sockaddr_in server;
static int first_port, count_of_ports, next_port;
static uint64_t exchanges, failures;

static void open_connection(unsigned index, uint64_t now) {
    struct connection *connection = &connections[index];
    server.sin_port = htons((uint16_t)(first_port + next_port++ % count_of_ports));
    connection->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->descriptor < 0) fail("socket");
    without_delay(connection->descriptor);
    connection->is_open = 0;
    connection->received = 0;
    connection->started = now;
    if (connect(connection->descriptor, (struct sockaddr *)&server, sizeof server) != 0 && errno != EINPROGRESS)
        fail("connect");
    watch(connection->descriptor, EPOLLOUT, index, EPOLL_CTL_ADD);
}

static int send_message(struct connection *connection) {
    static const char message[BYTES];
    connection->received = 0;
    return send(connection->descriptor, message, BYTES, MSG_NOSIGNAL) == BYTES;
}

// 1 once the connection stands, 0 when it does not yet, -1 when it cannot.
static int has_opened(struct connection *connection, unsigned index) {
    int problem = 0;
    socklen_t length = sizeof problem;
    getsockopt(connection->descriptor, SOL_SOCKET, SO_ERROR, &problem, &length);
    if (problem) return -1;
    connection->is_open = 1;
    watch(connection->descriptor, EPOLLIN, index, EPOLL_CTL_MOD);
    return 1;
}

// 1 once the whole answer is there, 0 when it is not yet, -1 when it will not come.
static int has_answer(struct connection *connection) {
    char bytes[BYTES];
    ssize_t length = recv(connection->descriptor, bytes, BYTES - connection->received, 0);
    if (length < 0 && errno == EAGAIN) return 0;
    if (length <= 0) return -1;
    connection->received += (size_t)length;
    return connection->received == BYTES;
}

static void open_all(unsigned count, unsigned limit_seconds) {
    struct epoll_event events[EVENTS];
    unsigned asked = 0, opened = 0;
    uint64_t until = nanoseconds() + (uint64_t)limit_seconds * 1000000000;
    while (opened < count) {
        uint64_t now = nanoseconds();
        if (now > until || told_to_end) {
            fprintf(stderr, "exchanges: %u of %u connections opened within %u s\n", opened, count, limit_seconds);
            exit(1);
        }
        while (asked < count && asked - opened < AT_ONCE) open_connection(asked++, now);
        int ready = epoll_wait(poll_of_events, events, EVENTS, 100);
        for (int index = 0; index < ready; index++) {
            unsigned number = (unsigned)events[index].data.u64;
            if (connections[number].is_open) continue;
            if (has_opened(&connections[number], number) < 0) {
                fprintf(stderr, "exchanges: connection %u was refused\n", number);
                exit(1);
            }
            opened++;
        }
    }
}

static void report(uint64_t start) {
    printf("{\"exchanges\": %llu, \"failures\": %llu, \"seconds\": %.6f, ", (unsigned long long)exchanges,
           (unsigned long long)failures, (double)(nanoseconds() - start) / 1e9);
    printf("\"p50\": %.2f, \"p99\": %.2f, \"max\": %.2f}\n", percentile(0.5), percentile(0.99),
           (double)longest / 1000);
}

static void ask(unsigned count, double seconds) {
    struct epoll_event events[EVENTS];
    open_all(count, 20);
    puts("running");
    fflush(stdout);
    uint64_t start = nanoseconds(), now = start, until = start + (uint64_t)(seconds * 1e9);
    for (unsigned index = 0; index < count; index++) {
        connections[index].started = now;
        if (!send_message(&connections[index])) fail("send");
    }
    while ((now = nanoseconds()) < until && !told_to_end) {
        if (told_to_forget) {
            told_to_forget = 0;
            memset(histogram, 0, sizeof histogram);
            exchanges = recorded = longest = 0;
            start = now;
        }
        int ready = epoll_wait(poll_of_events, events, EVENTS, 100);
        for (int index = 0; index < ready; index++) {
            struct connection *connection = &connections[events[index].data.u64];
            int state = has_answer(connection);
            if (state == 0) continue;
            now = nanoseconds();
            if (state > 0) {
                record(now - connection->started);
                exchanges++;
                connection->started = now;
            }
            if (state < 0 || !send_message(connection)) {
                failures++;
                close(connection->descriptor);
            }
        }
    }
    // An exchange that is still waited for counts with the time it has waited, or a stall would hide itself.
    for (unsigned index = 0; index < count; index++)
        if (now - connections[index].started > longest) record(now - connections[index].started);
    report(start);
}

static void cycle(unsigned count, double seconds) {
    struct epoll_event events[EVENTS];
    uint64_t start = nanoseconds(), now = start, until = start + (uint64_t)(seconds * 1e9);
    puts("running");
    fflush(stdout);
    for (unsigned index = 0; index < count; index++) open_connection(index, now);
    while ((now = nanoseconds()) < until && !told_to_end) {
        int ready = epoll_wait(poll_of_events, events, EVENTS, 100);
        for (int index = 0; index < ready; index++) {
            unsigned number = (unsigned)events[index].data.u64;
            struct connection *connection = &connections[number];
            int state;
            if (!connection->is_open) {
                state = has_opened(connection, number);
                if (state > 0) state = send_message(connection) ? 0 : -1;
            } else {
                state = has_answer(connection);
            }
            if (state == 0) continue;
            close(connection->descriptor);
            now = nanoseconds();
            if (state > 0) {
                record(now - connection->started);
                exchanges++;
            } else {
                failures++;
            }
            open_connection(number, now);
        }
    }
    report(start);
}

static void hold(unsigned count) {
    open_all(count, 40);
    puts("held");
    fflush(stdout);
    while (!told_to_end) pause();
}

int main(int count, char **arguments) {
    struct sigaction action = {.sa_handler = end}, another = {.sa_handler = forget};
    struct rlimit limit;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &another, NULL);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    poll_of_events = epoll_create1(EPOLL_CLOEXEC);
    const char *kind = count > 1 ? arguments[1] : "";
    if (count == 4 && strcmp(kind, "serve") == 0) {
        serve(atoi(arguments[2]), atoi(arguments[3]));
        return 0;
    }
    int holds = count == 6 && strcmp(kind, "hold") == 0;
    if (!holds && count != 7) {
        fputs("exchanges: see the head of exchanges.c\n", stderr);
        return 2;
    }
    unsigned wanted = (unsigned)atoi(arguments[holds ? 5 : 6]);
    double seconds = holds ? 0 : atof(arguments[5]);
    server.sin_family = AF_INET;
    if (inet_pton(AF_INET, arguments[2], &server.sin_addr) != 1 || wanted == 0) return 2;
    first_port = atoi(arguments[3]);
    count_of_ports = atoi(arguments[4]);
    connections = calloc(wanted, sizeof *connections);
    if (!connections) fail("calloc");
    if (holds) {
        hold(wanted);
    } else if (strcmp(kind, "ask") == 0) {
        ask(wanted, seconds);
    } else if (strcmp(kind, "cycle") == 0) {
        cycle(wanted, seconds);
    } else {
        return 2;
    }
    return 0;
}

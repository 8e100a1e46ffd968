// Many small messages to and fro: a server that echoes, and clients that send one message and wait for its echo.
//
//     exchange serve PORT
//     exchange ask ADDRESS PORT SECONDS CONNECTIONS BYTES      prints how many exchanges there were
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int fail(const char *what) {
    perror(what);
    return 1;
}

static struct sockaddr_in address_of(const char *host, const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    inet_pton(AF_INET, host, &address.sin_addr);
    return address;
}

static int serve(const char *port) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in address = address_of("127.0.0.1", port);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0) return fail("bind");
    if (listen(listener, 128) != 0) return fail("listen");
    signal(SIGCHLD, SIG_IGN);
    while (1) {
        int client = accept(listener, NULL, NULL);
        if (client < 0) return fail("accept");
        if (fork() == 0) {
            static char bytes[65536];
            ssize_t count;
            setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            while ((count = recv(client, bytes, sizeof bytes, 0)) > 0 && send(client, bytes, (size_t)count, 0) > 0) {
            }
            _exit(0);
        }
        close(client);
    }
}

static uint64_t ask(const struct sockaddr_in *address, double seconds, size_t bytes) {
    static char sent[65536], echoed[65536];
    struct timespec start, now;
    uint64_t exchanges = 0;
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(server, (const struct sockaddr *)address, sizeof *address) != 0) return 0;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        memset(sent, (int)exchanges, bytes);
        if (send(server, sent, bytes, 0) != (ssize_t)bytes) return 0;
        if (recv(server, echoed, bytes, MSG_WAITALL) != (ssize_t)bytes) return 0;
        if (memcmp(sent, echoed, bytes) != 0) return 0;
        exchanges++;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9 < seconds);
    close(server);
    return exchanges;
}

int main(int count, char **arguments) {
    if (count == 3 && strcmp(arguments[1], "serve") == 0) return serve(arguments[2]);
    if (count != 7 || strcmp(arguments[1], "ask") != 0) return 2;
    struct sockaddr_in address = address_of(arguments[2], arguments[3]);
    int connections = atoi(arguments[5]), ends[2];
    size_t bytes = (size_t)atoi(arguments[6]);
    if (bytes < 1 || bytes > 65536 || pipe(ends) != 0) return 2;
    for (int index = 0; index < connections; index++) {
        if (fork() != 0) continue;
        uint64_t exchanges = ask(&address, atof(arguments[4]), bytes);
        _exit(write(ends[1], &exchanges, sizeof exchanges) == sizeof exchanges && exchanges > 0 ? 0 : 1);
    }
    close(ends[1]);
    uint64_t total = 0, one;
    while (read(ends[0], &one, sizeof one) == sizeof one) total += one;
    int status, failed = 0;
    while (wait(&status) > 0) failed |= status;
    printf("%llu\n", (unsigned long long)total);
    return failed ? 1 : 0;
}

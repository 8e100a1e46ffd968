// Sockets between a guest and its host, and the kernel's list of sockets, as Swift cannot import them: address families
// and structures that the C library lacks, enum-valued macros. No logic: each function fills or reads one structure, or
// makes one system call.
#ifndef RINGWAY_VSOCK_H
#define RINGWAY_VSOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>


/// A stream socket of AF_VSOCK, close-on-exec.
int ringway_vsock_open(void);

int ringway_vsock_connect(int descriptor, uint32_t cid, uint32_t port);

/// Binds to `port` of every CID and listens.
int ringway_vsock_listen(int descriptor, uint32_t port, int backlog);

/// The machine's own CID, or -1.
int64_t ringway_vsock_local(void);

/// The peer's CID, or -1.
int64_t ringway_vsock_peer(int descriptor);

/// A stream socket of AF_UNIX, close-on-exec.
int ringway_unix_open(void);

/// Connects to a path, or to an abstract name when it begins with '@'. `length` excludes any zero byte; at most 107.
int ringway_unix_connect(int descriptor, const char *path, size_t length);

/// Binds to a path, or to an abstract name when it begins with '@'.
int ringway_unix_bind(int descriptor, const char *path, size_t length);

/// Accepts, close-on-exec and non-blocking when told.
int ringway_accept_stream(int descriptor, bool nonblocking);

/// Asks for buffers beyond the system's limit where that is allowed, and up to the limit otherwise.
void ringway_set_buffers(int descriptor, int send, int receive);

/// How long a send, a connect or a receive may wait, in milliseconds; zero waits for ever.
int ringway_set_timeout(int descriptor, uint32_t milliseconds);

/// The kernel's list of sockets (sock_diag(7)) of the caller's network namespace.
int ringway_diagnosis_open(void);

/// Asks for all sockets of a family and transport that are in one of the states (bits of TCP states).
int ringway_diagnosis_ask(int descriptor, bool ipv4, bool tcp, uint32_t states);

/// The port and address of one answer.
struct ringway_diagnosis {
    bool ipv4;
    uint16_t port;
    uint8_t address[16];  // network order; of IPv4 the first four
};

/// Reads the answers in `bytes`, from `offset` on, which moves. 1: one answer; 0: no more in these bytes; -1: all have
/// come, or the kernel refused.
int ringway_diagnosis_next(const void *bytes, size_t length, size_t *offset, struct ringway_diagnosis *answer);

/// Sets the time of day.
int ringway_set_clock(uint64_t nanoseconds_since_1970);

/// Nanoseconds for which the machine has slept since it was started.
uint64_t ringway_time_asleep(void);

/// The time of day.
uint64_t ringway_clock(void);

#endif

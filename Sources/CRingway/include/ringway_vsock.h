// Sockets between a guest and its host, the kernel's list of sockets, and clocks. Most calls need address families or
// structures that the C library lacks, or enum-valued macros, which Swift cannot import. No logic: each function fills
// or reads one structure, or makes one system call or a fixed sequence of them.
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

/// This machine's own CID, or -1 if there is no vsock.
int64_t ringway_vsock_local(void);

/// The CID of a socket's peer, or -1 if the socket is not a connected vsock.
int64_t ringway_vsock_peer(int descriptor);

/// A stream socket of AF_UNIX, close-on-exec.
int ringway_unix_open(void);

/// Connects to `path`, where a leading '@' means an abstract name. `length` is the number of bytes of text, without a
/// terminating zero. A path of more than 107 bytes fails with ENAMETOOLONG.
int ringway_unix_connect(int descriptor, const char *path, size_t length);

/// Binds to `path`, where a leading '@' means an abstract name.
int ringway_unix_bind(int descriptor, const char *path, size_t length);

/// Accepts a connection, close-on-exec and optionally non-blocking.
int ringway_accept_stream(int descriptor, bool nonblocking);

/// Sets a socket's buffer sizes in bytes. Without CAP_NET_ADMIN, net.core.wmem_max and rmem_max limit them. On a
/// vsock `receive` also bounds the data in flight to the socket.
void ringway_set_buffers(int descriptor, int send, int receive);

/// Sets the timeout of sends, connects and receives, in milliseconds; zero means none.
int ringway_set_timeout(int descriptor, uint32_t milliseconds);

/// Opens a netlink socket for the kernel's list of sockets (sock_diag(7)) of the caller's network namespace.
int ringway_diagnosis_open(void);

/// Requests all sockets of a family and transport that are in one of `states`, in which bit N stands for TCP state N.
int ringway_diagnosis_ask(int descriptor, bool ipv4, bool tcp, uint32_t states);

/// The local port and address of one listed socket.
struct ringway_diagnosis {
    bool ipv4;
    uint16_t port;
    uint8_t address[16];  // network order; an IPv4 address is the first four bytes
};

/// Reads the next socket in `bytes` from `offset`, which is advanced. Returns 1 for a socket and 0 if there is none
/// left in these bytes. Returns -1 if the list is complete or malformed, or if the kernel refused the request.
int ringway_diagnosis_next(const void *bytes, size_t length, size_t *offset, struct ringway_diagnosis *answer);

/// Sets the time of day.
int ringway_set_clock(uint64_t nanoseconds_since_1970);

/// Nanoseconds for which the machine has been suspended since boot.
uint64_t ringway_time_asleep(void);

/// The time of day.
uint64_t ringway_clock(void);

#endif

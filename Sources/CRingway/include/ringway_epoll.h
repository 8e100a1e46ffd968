// System calls for the ring that is emulated on epoll. No logic: each function makes one system call, and unless its
// comment says otherwise returns a negated errno instead of -1. A call that a signal interrupts is repeated, except
// connect, close and the waits.
#ifndef RINGWAY_EPOLL_H
#define RINGWAY_EPOLL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/time_types.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

// The number of epoll_pwait2 (Linux 5.11) on x86-64 and arm64, which older headers lack.
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

// accept4 is declared here because the C library declares it only if _GNU_SOURCE is defined before the first header.
extern int accept4(int descriptor, struct sockaddr *address, socklen_t *length, int flags);

#define RINGWAY_RETURN(call)                                                                                          \
    do {                                                                                                               \
        int64_t result;                                                                                                \
        do result = (call);                                                                                            \
        while (result < 0 && errno == EINTR);                                                                          \
        return result < 0 ? -(int64_t)errno : result;                                                                  \
    } while (0)

static inline int64_t ringway_try_read(int descriptor, void *bytes, size_t count) {
    RINGWAY_RETURN(read(descriptor, bytes, count));
}
static inline int64_t ringway_try_read_slices(int descriptor, const struct iovec *slices, int count) {
    RINGWAY_RETURN(readv(descriptor, slices, count));
}
static inline int64_t ringway_try_write(int descriptor, const void *bytes, size_t count) {
    RINGWAY_RETURN(write(descriptor, bytes, count));
}
static inline int64_t ringway_try_write_slices(int descriptor, const struct iovec *slices, int count) {
    RINGWAY_RETURN(writev(descriptor, slices, count));
}
static inline int64_t ringway_try_receive(int socket, void *bytes, size_t count, uint32_t flags) {
    RINGWAY_RETURN(recv(socket, bytes, count, (int)flags | MSG_DONTWAIT));
}
static inline int64_t ringway_try_receive_message(int socket, struct msghdr *message, uint32_t flags) {
    RINGWAY_RETURN(recvmsg(socket, message, (int)flags | MSG_DONTWAIT));
}
static inline int64_t ringway_try_send(int socket, const void *bytes, size_t count, uint32_t flags) {
    RINGWAY_RETURN(send(socket, bytes, count, (int)flags | MSG_DONTWAIT));
}
static inline int64_t ringway_try_send_message(int socket, const struct msghdr *message, uint32_t flags) {
    RINGWAY_RETURN(sendmsg(socket, message, (int)flags | MSG_DONTWAIT));
}
static inline int64_t ringway_try_accept(int socket, struct sockaddr *address, socklen_t *length, uint32_t flags) {
    RINGWAY_RETURN(accept4(socket, address, length, (int)flags));
}
static inline int64_t ringway_try_connect(int socket, const struct sockaddr *address, socklen_t length) {
    // A connect that a signal interrupts continues in the kernel, like a non-blocking one.
    if (connect(socket, address, length) == 0) return 0;
    return errno == EINTR ? -EINPROGRESS : -errno;
}
static inline int64_t ringway_try_shutdown(int socket, int how) { RINGWAY_RETURN(shutdown(socket, how)); }
static inline int64_t ringway_try_close(int descriptor) { return close(descriptor) == 0 ? 0 : -errno; }

/// A descriptor's file status flags (F_GETFL), or a negated errno.
static inline int ringway_file_flags(int descriptor) {
    int flags = fcntl(descriptor, F_GETFL);
    return flags >= 0 ? flags : -errno;
}
static inline void ringway_set_file_flags(int descriptor, int flags) { fcntl(descriptor, F_SETFL, flags); }

static inline int ringway_epoll_make(void) {
    int descriptor = epoll_create1(EPOLL_CLOEXEC);
    return descriptor >= 0 ? descriptor : -errno;
}
/// Calls epoll_ctl(2). Returns zero, or a negated errno.
static inline int ringway_epoll_control(int epoll, int operation, int descriptor, uint32_t events, uint64_t data) {
    struct epoll_event event = {.events = events, .data.u64 = data};
    return epoll_ctl(epoll, operation, descriptor, &event) == 0 ? 0 : -errno;
}
/// Waits for events, at most the given milliseconds; a negative value means no timeout. Returns the number of events,
/// or a negated errno.
static inline int ringway_epoll_wait(int epoll, struct epoll_event *events, int capacity, int milliseconds) {
    int count = epoll_wait(epoll, events, capacity, milliseconds);
    return count >= 0 ? count : -errno;
}
/// Like `ringway_epoll_wait`, but with a timeout in nanoseconds. Returns -ENOSYS before Linux 5.11, and -ENOSYS or
/// -EPERM under a seccomp filter that does not know the call.
static inline int ringway_epoll_wait_exactly(int epoll, struct epoll_event *events, int capacity,
                                             int64_t nanoseconds) {
    struct __kernel_timespec limit = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
    long count = syscall(SYS_epoll_pwait2, epoll, events, capacity, &limit, NULL, 0);
    return count >= 0 ? (int)count : -errno;
}

/// Makes the socket pair by which other rings send messages to an emulated ring: `ends[0]` receives, `ends[1]` sends.
static inline int ringway_message_line(int ends[2]) {
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0 ? 0 : -errno;
}
/// Duplicates a descriptor. Returns the new descriptor, or -1 with errno set.
static inline int ringway_duplicate(int descriptor) { return fcntl(descriptor, F_DUPFD_CLOEXEC, 0); }
#endif

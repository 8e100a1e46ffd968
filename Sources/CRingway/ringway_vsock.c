// Sockets between a guest and its host, the kernel's list of sockets, and clocks; documented in the header.
#define _GNU_SOURCE
#include "ringway_vsock.h"

#include "ringway_text.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int ringway_vsock_open(void) { return socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0); }

static struct sockaddr_vm machine_address(uint32_t cid, uint32_t port) {
    struct sockaddr_vm address;
    memset(&address, 0, sizeof address);
    address.svm_family = AF_VSOCK;
    address.svm_cid = cid;
    address.svm_port = port;
    return address;
}

int ringway_vsock_connect(int descriptor, uint32_t cid, uint32_t port) {
    struct sockaddr_vm address = machine_address(cid, port);
    return connect(descriptor, (struct sockaddr *)&address, sizeof address);
}

int ringway_vsock_listen(int descriptor, uint32_t port, int backlog) {
    struct sockaddr_vm address = machine_address(VMADDR_CID_ANY, port);
    if (bind(descriptor, (struct sockaddr *)&address, sizeof address) < 0) return -1;
    return listen(descriptor, backlog);
}

int64_t ringway_vsock_local(void) {
    int device = open("/dev/vsock", O_RDONLY | O_CLOEXEC);
    if (device < 0) return -1;
    unsigned cid = 0;
    int result = ioctl(device, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid);
    close(device);
    return result < 0 ? -1 : (int64_t)cid;
}

int64_t ringway_vsock_peer(int descriptor) {
    struct sockaddr_vm address;
    socklen_t length = sizeof address;
    if (getpeername(descriptor, (struct sockaddr *)&address, &length) < 0 || address.svm_family != AF_VSOCK) return -1;
    return address.svm_cid;
}

int ringway_unix_open(void) { return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); }

static socklen_t local_address(struct sockaddr_un *address, const char *path, size_t length) {
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    char *text = strndup(path, length), *bytes = text ? ringway_text_bytes(text) : NULL;
    free(text);
    length = bytes ? strlen(bytes) : 0;
    if (length == 0 || length >= sizeof address->sun_path) {
        free(bytes);
        errno = length == 0 ? EINVAL : ENAMETOOLONG;
        return 0;
    }
    memcpy(address->sun_path, bytes, length);
    free(bytes);
    if (path[0] != '@') return sizeof *address;
    address->sun_path[0] = 0;
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

int ringway_unix_connect(int descriptor, const char *path, size_t length) {
    struct sockaddr_un address;
    socklen_t size = local_address(&address, path, length);
    return size == 0 ? -1 : connect(descriptor, (struct sockaddr *)&address, size);
}

int ringway_unix_bind(int descriptor, const char *path, size_t length) {
    struct sockaddr_un address;
    socklen_t size = local_address(&address, path, length);
    return size == 0 ? -1 : bind(descriptor, (struct sockaddr *)&address, size);
}

int ringway_accept_stream(int descriptor, bool nonblocking) {
    return accept4(descriptor, NULL, NULL, SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0));
}

void ringway_set_buffers(int descriptor, int send, int receive) {
    if (setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &send, sizeof send) < 0)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &send, sizeof send);
    if (setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &receive, sizeof receive) < 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receive, sizeof receive);
    struct sockaddr_storage name;
    socklen_t length = sizeof name;
    if (getsockname(descriptor, (struct sockaddr *)&name, &length) < 0 || name.ss_family != AF_VSOCK) return;
    // On a vsock the receiver's buffer size bounds data in flight.
    uint64_t size = (uint64_t)receive;
    setsockopt(descriptor, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MAX_SIZE, &size, sizeof size);
    setsockopt(descriptor, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &size, sizeof size);
}

int ringway_set_timeout(int descriptor, uint32_t milliseconds) {
    struct timeval timeout = {.tv_sec = milliseconds / 1000, .tv_usec = (milliseconds % 1000) * 1000};
    if (setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) < 0) return -1;
    return setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
}

int ringway_diagnosis_open(void) { return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG); }

int ringway_diagnosis_ask(int descriptor, bool ipv4, bool tcp, uint32_t states) {
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 request;
    } message;
    memset(&message, 0, sizeof message);
    message.header.nlmsg_len = sizeof message;
    message.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    message.request.sdiag_family = ipv4 ? AF_INET : AF_INET6;
    message.request.sdiag_protocol = tcp ? IPPROTO_TCP : IPPROTO_UDP;
    message.request.idiag_states = states;
    return send(descriptor, &message, sizeof message, 0) == (ssize_t)sizeof message ? 0 : -1;
}

int ringway_diagnosis_next(const void *bytes, size_t length, size_t *offset, struct ringway_diagnosis *answer) {
    while (*offset + sizeof(struct nlmsghdr) <= length) {
        struct nlmsghdr header;
        memcpy(&header, (const char *)bytes + *offset, sizeof header);
        if (header.nlmsg_len < sizeof header || header.nlmsg_len > length - *offset) return -1;
        const char *body = (const char *)bytes + *offset + NLMSG_HDRLEN;
        *offset += NLMSG_ALIGN(header.nlmsg_len);
        if (header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR) return -1;
        if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY) continue;
        struct inet_diag_msg message;
        if (header.nlmsg_len < NLMSG_HDRLEN + sizeof message) return -1;
        memcpy(&message, body, sizeof message);
        answer->ipv4 = message.idiag_family == AF_INET;
        answer->port = ntohs(message.id.idiag_sport);
        memcpy(answer->address, message.id.idiag_src, sizeof answer->address);
        return 1;
    }
    return 0;
}

int ringway_set_clock(uint64_t nanoseconds) {
    struct timespec time = {.tv_sec = (time_t)(nanoseconds / 1000000000), .tv_nsec = (long)(nanoseconds % 1000000000)};
    return clock_settime(CLOCK_REALTIME, &time);
}


static uint64_t nanoseconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

uint64_t ringway_clock(void) { return nanoseconds(CLOCK_REALTIME); }

uint64_t ringway_time_asleep(void) {
    // CLOCK_MONOTONIC is read first, so that the difference cannot be negative.
    uint64_t awake = nanoseconds(CLOCK_MONOTONIC);
    return nanoseconds(CLOCK_BOOTTIME) - awake;
}

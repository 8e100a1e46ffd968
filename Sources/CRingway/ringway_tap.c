// A TAP device and the routing socket; documented in the header.
#include "ringway_tap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

int ringway_tap_open(void) { return open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC); }

int ringway_tap_attach_queue(int descriptor, const char *name, bool first, bool many) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    int flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (many ? IFF_MULTI_QUEUE : 0) | (first ? IFF_TUN_EXCL : 0);
    request.ifr_flags = (short)flags;
    return ioctl(descriptor, TUNSETIFF, &request);
}

int ringway_tap_set_header_length(int descriptor, int length) {
    return ioctl(descriptor, TUNSETVNETHDRSZ, &length);
}

int ringway_tap_set_offloads(int descriptor, unsigned offloads) {
    return ioctl(descriptor, TUNSETOFFLOAD, (unsigned long)offloads);
}

int ringway_tap_describe(int descriptor, char *name, int *flags) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    if (ioctl(descriptor, TUNGETIFF, &request) < 0) return -1;
    memcpy(name, request.ifr_name, IFNAMSIZ);
    *flags = (unsigned short)request.ifr_flags;
    return 0;
}

// Older headers lack this ioctl of Linux 5.2.
#ifndef TUNGETDEVNETNS
#define TUNGETDEVNETNS _IO('T', 227)
#endif

int ringway_tap_namespace(int descriptor) { return ioctl(descriptor, TUNGETDEVNETNS); }

int ringway_tap_address(int descriptor, uint8_t bytes[6]) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    if (ioctl(descriptor, SIOCGIFHWADDR, &request) < 0) return -1;
    memcpy(bytes, request.ifr_hwaddr.sa_data, 6);
    return 0;
}

int ringway_netlink_open(void) { return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE); }

int ringway_netlink_explain(int descriptor) {
    int on = 1;
    return setsockopt(descriptor, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
}

int ringway_netlink_list_strictly(int descriptor) {
    int on = 1;
    return setsockopt(descriptor, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
}

int ringway_netlink_follow_addresses(void) {
    int descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (descriptor < 0) return -1;
    struct sockaddr_nl groups = {
        .nl_family = AF_NETLINK,
        .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
    };
    if (bind(descriptor, (struct sockaddr *)&groups, sizeof groups) == 0) return descriptor;
    int error = errno;
    close(descriptor);
    errno = error;
    return -1;
}

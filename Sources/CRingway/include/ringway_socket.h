// Sockets as the data path needs them: control messages, error queues and constants that Swift's importer cannot see.
// No logic: each function reads or writes structures, or makes one or two system calls.
#ifndef RINGWAY_SOCKET_H
#define RINGWAY_SOCKET_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <linux/filter.h>
#include <linux/icmp.h>
#include <malloc.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/// The kernel's in6_pktinfo (RFC 3542 §6.1); the C library declares it only if _GNU_SOURCE is defined before the first
/// header, which an importer of this header cannot guarantee.
struct ringway_in6_pktinfo {
    struct in6_addr ipi6_addr;
    unsigned int ipi6_ifindex;
};

/// Fills a socket address. `high` and `low` are the 128 bits of the IP address in host order; an IPv4 address is an
/// IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2). Returns the length of the socket address.
static inline uint32_t ringway_socket_address(struct sockaddr_storage *storage, bool ipv4, uint64_t high, uint64_t low,
                                              uint16_t port) {
    if (ipv4) {
        struct sockaddr_in *address = (struct sockaddr_in *)storage;
        memset(address, 0, sizeof *address);
        address->sin_family = AF_INET;
        address->sin_port = htons(port);
        address->sin_addr.s_addr = htonl((uint32_t)low);
        return sizeof *address;
    }
    struct sockaddr_in6 *address = (struct sockaddr_in6 *)storage;
    memset(address, 0, sizeof *address);
    address->sin6_family = AF_INET6;
    address->sin6_port = htons(port);
    uint64_t words[2] = {__builtin_bswap64(high), __builtin_bswap64(low)};
    memcpy(&address->sin6_addr, words, sizeof words);
    return sizeof *address;
}

/// Reads a socket address as 128 bits in host order (IPv4-mapped for IPv4) and a port. Returns false if it is too
/// short, or neither IPv4 nor IPv6.
static inline bool ringway_read_socket_address(const void *storage, uint32_t length, uint64_t *high, uint64_t *low,
                                               uint16_t *port) {
    const struct sockaddr *any = (const struct sockaddr *)storage;
    if (length >= sizeof(struct sockaddr_in) && any->sa_family == AF_INET) {
        const struct sockaddr_in *address = (const struct sockaddr_in *)storage;
        *high = 0;
        *low = 0xFFFF00000000ULL | ntohl(address->sin_addr.s_addr);
        *port = ntohs(address->sin_port);
        return true;
    }
    if (length >= sizeof(struct sockaddr_in6) - 4 && any->sa_family == AF_INET6) {
        const struct sockaddr_in6 *address = (const struct sockaddr_in6 *)storage;
        uint64_t words[2];
        memcpy(words, &address->sin6_addr, sizeof words);
        *high = __builtin_bswap64(words[0]);
        *low = __builtin_bswap64(words[1]);
        *port = ntohs(address->sin6_port);
        return true;
    }
    return false;
}

static inline int ringway_set_option(int descriptor, int level, int name, int value) {
    return setsockopt(descriptor, level, name, &value, sizeof value);
}
/// The value of an option, or a negated errno.
static inline int ringway_get_option(int descriptor, int level, int name) {
    int value = 0;
    socklen_t length = sizeof value;
    return getsockopt(descriptor, level, name, &value, &length) == 0 ? value : -errno;
}
/// Makes the close of a TCP socket send RST instead of FIN.
static inline int ringway_linger_zero(int descriptor) {
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    return setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

static inline int ringway_socket_error(int descriptor) {
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length);
    return error;
}

/// Whether the socket has bytes to receive (FIONREAD); false if only the end of the stream is left to read.
bool ringway_has_unread(int descriptor);

/// The number of the process's open descriptors, or -1. From Linux 6.2 on it is the size of /proc/self/fd; on an
/// older kernel the entries of that directory are counted.
long ringway_open_descriptors(void);

/// Writes the control messages with which a datagram is sent: the hop limit unless it is negative, the traffic class
/// and the segment size if they are positive. Returns the number of bytes written.
static inline uint32_t ringway_write_datagram_control(void *control, bool ipv4, int hop_limit, int traffic_class,
                                                      uint16_t segment_size) {
    struct cmsghdr *header = (struct cmsghdr *)control;
    uint32_t used = 0;
    if (hop_limit >= 0) {
        header->cmsg_level = ipv4 ? IPPROTO_IP : IPPROTO_IPV6;
        header->cmsg_type = ipv4 ? IP_TTL : IPV6_HOPLIMIT;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &hop_limit, sizeof hop_limit);
        used += CMSG_SPACE(sizeof(int));
    }
    if (traffic_class > 0) {
        header = (struct cmsghdr *)((char *)control + used);
        header->cmsg_level = ipv4 ? IPPROTO_IP : IPPROTO_IPV6;
        header->cmsg_type = ipv4 ? IP_TOS : IPV6_TCLASS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &traffic_class, sizeof traffic_class);
        used += CMSG_SPACE(sizeof(int));
    }
    if (segment_size > 0) {
        header = (struct cmsghdr *)((char *)control + used);
        header->cmsg_level = SOL_UDP;
        header->cmsg_type = UDP_SEGMENT;
        header->cmsg_len = CMSG_LEN(sizeof(uint16_t));
        memcpy(CMSG_DATA(header), &segment_size, sizeof segment_size);
        used += CMSG_SPACE(sizeof(uint16_t));
    }
    return used;
}

struct ringway_datagram_notes {
    int segment_size;  // UDP_GRO, 0 when absent
    int hop_limit;     // -1 when absent
    int traffic_class; // IP_TOS or IPV6_TCLASS, -1 when absent
    int error_number;  // IP_RECVERR: errno, 0 when absent
    uint8_t error_origin, error_type, error_code;
    bool has_offender;
    uint64_t offender_high, offender_low;
    uint32_t error_information;  // MTU for "packet too big"
    bool has_local;              // IP_PKTINFO: the address the datagram was sent to
    uint64_t local_high, local_low;
};

/// Makes a datagram socket report the hop limit and the traffic class of received datagrams, or stop reporting them.
static inline void ringway_receive_marks(int descriptor, bool ipv4, bool wanted) {
    int value = wanted, level = ipv4 ? IPPROTO_IP : IPPROTO_IPV6;
    setsockopt(descriptor, level, ipv4 ? IP_RECVTTL : IPV6_RECVHOPLIMIT, &value, sizeof value);
    setsockopt(descriptor, level, ipv4 ? IP_RECVTOS : IPV6_RECVTCLASS, &value, sizeof value);
}

/// The number of data bytes in a control message; zero if the message's length goes beyond the buffer, or is less
/// than that of a header. CMSG_FIRSTHDR does not check the length of the first message.
static inline size_t ringway_control_size(const struct msghdr *message, const struct cmsghdr *item) {
    size_t left = (size_t)((const char *)message->msg_control + message->msg_controllen - (const char *)item);
    return item->cmsg_len < CMSG_LEN(0) || item->cmsg_len > left ? 0 : item->cmsg_len - CMSG_LEN(0);
}

/// Reads the control messages that Ringway asks the kernel for. Every length is checked.
static inline void ringway_read_datagram_control(const void *control, uint32_t length,
                                                 struct ringway_datagram_notes *notes) {
    struct msghdr message = {.msg_control = (void *)control, .msg_controllen = length};
    memset(notes, 0, sizeof *notes);
    notes->hop_limit = -1;
    notes->traffic_class = -1;
    for (struct cmsghdr *item = CMSG_FIRSTHDR(&message); item; item = CMSG_NXTHDR(&message, item)) {
        const void *data = CMSG_DATA(item);
        size_t size = ringway_control_size(&message, item);
        if (item->cmsg_level == SOL_UDP && item->cmsg_type == UDP_GRO && size >= sizeof(int)) {
            memcpy(&notes->segment_size, data, sizeof(int));
        } else if (((item->cmsg_level == IPPROTO_IP && item->cmsg_type == IP_TTL) ||
                    (item->cmsg_level == IPPROTO_IPV6 && item->cmsg_type == IPV6_HOPLIMIT)) &&
                   size >= sizeof(int)) {
            memcpy(&notes->hop_limit, data, sizeof(int));
        } else if (item->cmsg_level == IPPROTO_IP && item->cmsg_type == IP_TOS && size >= 1) {
            notes->traffic_class = *(const uint8_t *)data;
        } else if (item->cmsg_level == IPPROTO_IPV6 && item->cmsg_type == IPV6_TCLASS && size >= sizeof(int)) {
            memcpy(&notes->traffic_class, data, sizeof(int));
        } else if (item->cmsg_level == IPPROTO_IP && item->cmsg_type == IP_PKTINFO &&
                   size >= sizeof(struct in_pktinfo)) {
            struct in_pktinfo info;
            memcpy(&info, data, sizeof info);
            notes->has_local = true;
            notes->local_high = 0;
            notes->local_low = 0xFFFF00000000ULL | ntohl(info.ipi_addr.s_addr);
        } else if (item->cmsg_level == IPPROTO_IPV6 && item->cmsg_type == IPV6_PKTINFO &&
                   size >= sizeof(struct ringway_in6_pktinfo)) {
            struct ringway_in6_pktinfo info;
            uint64_t words[2];
            memcpy(&info, data, sizeof info);
            memcpy(words, &info.ipi6_addr, sizeof words);
            notes->has_local = true;
            notes->local_high = __builtin_bswap64(words[0]);
            notes->local_low = __builtin_bswap64(words[1]);
        } else if (((item->cmsg_level == IPPROTO_IP && item->cmsg_type == IP_RECVERR) ||
                    (item->cmsg_level == IPPROTO_IPV6 && item->cmsg_type == IPV6_RECVERR)) &&
                   size >= sizeof(struct sock_extended_err)) {
            struct sock_extended_err error;
            uint16_t port;
            memcpy(&error, data, sizeof error);
            notes->error_number = (int)error.ee_errno;
            notes->error_origin = error.ee_origin;
            notes->error_type = error.ee_type;
            notes->error_code = error.ee_code;
            notes->error_information = error.ee_info;
            if (size >= sizeof error + sizeof(struct sockaddr_in)) {
                notes->has_offender = ringway_read_socket_address((const char *)data + sizeof error,
                                                                  (uint32_t)(size - sizeof error),
                                                                  &notes->offender_high, &notes->offender_low, &port);
            }
        }
    }
}

/// Writes the control message that sets a datagram's source address (IP_PKTINFO, IPV6_PKTINFO), so that a reply comes
/// from the address to which the request was sent. Returns the number of bytes written.
static inline uint32_t ringway_write_source_control(void *control, bool ipv4, uint64_t high, uint64_t low) {
    struct cmsghdr *header = (struct cmsghdr *)control;
    if (ipv4) {
        struct in_pktinfo info;
        memset(&info, 0, sizeof info);
        info.ipi_spec_dst.s_addr = htonl((uint32_t)low);
        header->cmsg_level = IPPROTO_IP;
        header->cmsg_type = IP_PKTINFO;
        header->cmsg_len = CMSG_LEN(sizeof info);
        memcpy(CMSG_DATA(header), &info, sizeof info);
        return CMSG_SPACE(sizeof info);
    }
    struct ringway_in6_pktinfo info;
    uint64_t words[2] = {__builtin_bswap64(high), __builtin_bswap64(low)};
    memset(&info, 0, sizeof info);
    memcpy(&info.ipi6_addr, words, sizeof words);
    header->cmsg_level = IPPROTO_IPV6;
    header->cmsg_type = IPV6_PKTINFO;
    header->cmsg_len = CMSG_LEN(sizeof info);
    memcpy(CMSG_DATA(header), &info, sizeof info);
    return CMSG_SPACE(sizeof info);
}

/// Makes a raw ICMP socket receive only echo replies. ICMP errors still reach its error queue.
static inline int ringway_filter_icmp_echo_reply(int descriptor, bool ipv4) {
    if (ipv4) {
        struct icmp_filter filter = {.data = ~(1U << ICMP_ECHOREPLY)};
        return setsockopt(descriptor, SOL_RAW, ICMP_FILTER, &filter, sizeof filter);
    }
    struct icmp6_filter filter;
    ICMP6_FILTER_SETBLOCKALL(&filter);
    ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
    return setsockopt(descriptor, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter);
}

/// Makes a raw ICMP socket receive only messages whose identifier, ANDed with `mask`, equals `bits`. The message type
/// is filtered by `ringway_filter_icmp_echo_reply`.
static inline int ringway_filter_echo_identifiers(int descriptor, bool ipv4, uint16_t bits, uint16_t mask) {
    // On an IPv4 raw socket the IP header precedes the message, on an IPv6 one it does not.
    struct sock_filter code4[] = {
        BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0), BPF_STMT(BPF_LD | BPF_H | BPF_IND, 4),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, bits, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0xFFFFFFFF), BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_filter code6[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, bits, 0, 1), BPF_STMT(BPF_RET | BPF_K, 0xFFFFFFFF),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {
        .len = ipv4 ? sizeof code4 / sizeof *code4 : sizeof code6 / sizeof *code6, .filter = ipv4 ? code4 : code6,
    };
    return setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

/// Makes a raw ICMP socket that is only used for sending receive nothing.
static inline int ringway_filter_icmp_nothing(int descriptor, bool ipv4) {
    if (ipv4) {
        struct icmp_filter filter = {.data = ~0U};
        return setsockopt(descriptor, SOL_RAW, ICMP_FILTER, &filter, sizeof filter);
    }
    struct icmp6_filter filter;
    ICMP6_FILTER_SETBLOCKALL(&filter);
    return setsockopt(descriptor, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter);
}

/// The traffic class (the TOS byte for IPv4) that the kernel recorded from the handshake of an accepted connection
/// (IP_PKTOPTIONS, IPV6_2292PKTOPTIONS); zero if it recorded none.
static inline int ringway_client_traffic_class(int descriptor, bool ipv4) {
    char control[256];
    socklen_t length = sizeof control;
    int level = ipv4 ? IPPROTO_IP : IPPROTO_IPV6;
    if (ringway_set_option(descriptor, level, ipv4 ? IP_RECVTOS : IPV6_RECVTCLASS, 1) != 0) return 0;
    if (getsockopt(descriptor, level, ipv4 ? IP_PKTOPTIONS : IPV6_2292PKTOPTIONS, control, &length) != 0) return 0;
    struct msghdr message = {.msg_control = control, .msg_controllen = length};
    int value = 0;
    for (struct cmsghdr *item = CMSG_FIRSTHDR(&message); item; item = CMSG_NXTHDR(&message, item)) {
        if (item->cmsg_level != level || item->cmsg_type != (ipv4 ? IP_TOS : IPV6_TCLASS)) continue;
        size_t size = ringway_control_size(&message, item);
        if (size >= sizeof value) memcpy(&value, CMSG_DATA(item), sizeof value);
        else if (size >= 1) value = *(const unsigned char *)CMSG_DATA(item);
    }
    return value;
}

/// Whether the next byte to read from a stream is urgent (sockatmark(3)).
static inline bool ringway_is_at_mark(int descriptor) { return sockatmark(descriptor) > 0; }

/// The fields of TCP_INFO that tell whether the peer still responds.
struct ringway_peer {
    uint32_t silence_milliseconds;  // since the last acknowledgement or data
    uint32_t unacknowledged;        // segments
    uint32_t unsent;                // bytes
    uint32_t retransmissions;       // consecutive retransmission timeouts
    uint32_t probes;                // unanswered window or keepalive probes
    uint32_t timeout_microseconds;  // the retransmission timeout
    uint32_t round_trip_microseconds;
};
/// Reads TCP_INFO. Returns zero, or -1 if the socket is not TCP. The structure is the kernel's (linux/tcp.h, struct
/// tcp_info); the C library has an older version.
static inline int ringway_read_peer(int descriptor, struct ringway_peer *peer) {
    struct {
        struct tcp_info common;  // 104 bytes, as far as tcpi_total_retrans
        uint64_t pacing_rate, maximum_pacing_rate, bytes_acknowledged, bytes_received;
        uint32_t segments_out, segments_in, unsent, rest;
    } information;
    socklen_t length = sizeof information;
    memset(&information, 0, sizeof information);
    if (getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &information, &length) != 0) return -1;
    const struct tcp_info *common = &information.common;
    uint32_t data = common->tcpi_last_data_recv, acknowledgement = common->tcpi_last_ack_recv;
    peer->silence_milliseconds = data < acknowledgement ? data : acknowledgement;
    peer->unacknowledged = common->tcpi_unacked;
    peer->unsent = information.unsent;
    peer->retransmissions = common->tcpi_retransmits;
    peer->probes = common->tcpi_probes;
    peer->timeout_microseconds = common->tcpi_rto;
    peer->round_trip_microseconds = common->tcpi_rtt;
    return 0;
}
_Static_assert(sizeof(struct tcp_info) == 104, "tcp_info ends with tcpi_total_retrans");

/// The type of a socket, such as SOCK_STREAM; negative if the descriptor is not a socket.
static inline int ringway_socket_type(int descriptor) {
    int type = -1;
    socklen_t length = sizeof type;
    return getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &length) == 0 ? type : -1;
}
static inline bool ringway_is_listening(int descriptor) {
    int value = 0;
    socklen_t length = sizeof value;
    return getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &value, &length) == 0 && value != 0;
}
/// Names the calling thread, at most fifteen bytes (prctl(2), PR_SET_NAME).
static inline void ringway_name_thread(const char *name) { prctl(15, name, 0, 0, 0); }

/// Limits the C library's allocator to two arenas. Otherwise each thread may get its own, with 64 MiB of address space
/// (mallopt(3), M_ARENA_MAX).
static inline void ringway_limit_arenas(void) { mallopt(M_ARENA_MAX, 2); }

static inline uint64_t ringway_monotonic_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

// Sends each slice as a datagram, at most 64, until one fails. Returns the number sent, or a negated errno if the first
// one fails.
int ringway_send_datagrams(int descriptor, struct iovec *datagrams, unsigned count);

#endif

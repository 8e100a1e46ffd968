#ifndef RINGWAY_TWIN_WIRE_H
#define RINGWAY_TWIN_WIRE_H

#include "cold.h"

#include <string.h>

// Frames: parsing with every check that Ringway makes, and headers.

struct address { uint64_t high, low; };

enum kind { KIND_ARP, KIND_TCP, KIND_UDP, KIND_ICMP, KIND_ICMPV6, KIND_FRAGMENT, KIND_OTHER };

struct summary {
    struct address source, destination;
    uint64_t source_mac;
    uint32_t payload_length;
    uint16_t network_offset, transport_offset, payload_offset, source_port, destination_port, segment_size;
    uint8_t kind, is_ipv6, hop_limit, traffic_class, protocol, gso_type;
};

static inline uint16_t load16(const uint8_t *at) { uint16_t v; memcpy(&v, at, 2); return __builtin_bswap16(v); }
static inline uint32_t load32(const uint8_t *at) { uint32_t v; memcpy(&v, at, 4); return __builtin_bswap32(v); }
static inline uint32_t raw32(const uint8_t *at) { uint32_t v; memcpy(&v, at, 4); return v; }
static inline uint64_t raw64(const uint8_t *at) { uint64_t v; memcpy(&v, at, 8); return v; }
static inline void store16(uint8_t *at, uint16_t v) { v = __builtin_bswap16(v); memcpy(at, &v, 2); }
static inline void store32(uint8_t *at, uint32_t v) { v = __builtin_bswap32(v); memcpy(at, &v, 4); }
static inline void store_raw16(uint8_t *at, uint16_t v) { memcpy(at, &v, 2); }
static inline uint64_t load48(const uint8_t *at) { return (uint64_t)load32(at) << 16 | load16(at + 4); }
static inline void store48(uint8_t *at, uint64_t v) { store32(at, (uint32_t)(v >> 16)); store16(at + 4, (uint16_t)v); }

static inline uint16_t fold(uint64_t sum) {
    sum = (sum >> 32) + (sum & 0xffffffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    return (uint16_t)sum;
}

static inline uint64_t header_sum(const uint8_t *header, int length) {
    uint64_t sum = 0;
    for (int offset = 0; offset < length; offset += 4) sum += raw32(header + offset);
    return sum;
}

static inline bool is_ipv4(struct address a) { return a.high == 0 && a.low >> 32 == 0xffff; }
static inline struct address mapped(uint32_t v4) { return (struct address){0, 0xffff00000000u | v4}; }

static inline uint64_t pseudo_header(
    struct address source, struct address destination, uint8_t protocol, int length) {
    uint64_t sum = __builtin_bswap16(protocol);
    sum += __builtin_bswap32((uint32_t)length);
    if (!is_ipv4(source)) return sum + cold_bytes(0, 0, 1);
    sum += __builtin_bswap32((uint32_t)source.low);
    sum += __builtin_bswap32((uint32_t)destination.low);
    return sum;
}

enum { NONE, TRUNCATED, MARTIAN, BAD_VERSION, BAD_LENGTH, BAD_CHECKSUM, BAD_SEGMENTATION, UNKNOWN };

static inline int parse_tcp(
    struct summary *s, const uint8_t *header, int count, uint64_t offload, uint16_t checksum_offset) {
    s->kind = KIND_TCP;
    if (count < 20) return TRUNCATED;
    int length = (header[12] >> 4) * 4;
    if (length < 20 || length > count) return BAD_LENGTH;
    s->source_port = load16(header);
    s->destination_port = load16(header + 2);
    s->payload_offset = (uint16_t)(s->transport_offset + length);
    s->payload_length = (uint32_t)(count - length);
    uint8_t type = (uint8_t)(offload >> 8) & 0x7f;
    uint16_t segment_size = (uint16_t)(offload >> 32);
    if (type != 0) {
        if (type != (s->is_ipv6 ? 4 : 1) || segment_size == 0) return BAD_SEGMENTATION;
        s->segment_size = segment_size;
    }
    if (s->source.high == 0 && (s->source.low == 0 || s->source.low == 0xffff00000000u)) return MARTIAN;
    if (offload & 1) {
        if ((uint16_t)(offload >> 48) == s->transport_offset && checksum_offset == 16) return NONE;
    } else if (offload & 2) {
        return NONE;
    }
    return cold_parse(0, BAD_CHECKSUM);
}

static inline int parse(const uint8_t *frame, int total, struct summary *s) {
    *s = (struct summary){.kind = KIND_OTHER};
    if (total < 12) return TRUNCATED;
    int count = total - 12;
    if (count < 14) return TRUNCATED;
    uint64_t offload = raw64(frame);
    uint16_t checksum_offset;
    memcpy(&checksum_offset, frame + 8, 2);
    const uint8_t *ethernet = frame + 12;
    s->source_mac = load48(ethernet + 6);
    s->network_offset = 14;
    if (s->source_mac & 0x010000000000) return MARTIAN;
    uint16_t type = load16(ethernet + 12);
    if (type != 0x0800) return cold_parse(0, UNKNOWN);
    const uint8_t *header = ethernet + 14;
    int available = count - 14;
    if (available < 20) return TRUNCATED;
    if (header[0] >> 4 != 4) return BAD_VERSION;
    int length = (header[0] & 15) * 4;
    if (length < 20 || length > available) return BAD_LENGTH;
    if (fold(header_sum(header, length)) != 0xffff) return BAD_CHECKSUM;
    int packet = load16(header + 2);
    if (packet < length || packet > available) return BAD_LENGTH;
    uint32_t sender = load32(header + 12), receiver = load32(header + 16);
    s->source = mapped(sender);
    s->destination = mapped(receiver);
    s->traffic_class = header[1];
    s->hop_limit = header[8];
    s->protocol = header[9];
    if (sender >> 28 == 14 || sender >> 24 == 127 || sender == UINT32_MAX) return MARTIAN;
    if (receiver >> 24 == 127 || receiver == 0) return MARTIAN;
    s->transport_offset = (uint16_t)(14 + length);
    if (load16(header + 6) & 0x3fff) return cold_parse(0, UNKNOWN);
    s->gso_type = (uint8_t)(offload >> 8) & 0x7f;
    if (s->protocol == 6) return parse_tcp(s, header + length, packet - length, offload, checksum_offset);
    return cold_parse(0, UNKNOWN);
}

#endif

#ifndef RINGWAY_TWIN_STACK_H
#define RINGWAY_TWIN_STACK_H

#include "storage.h"
#include "wire.h"

// The tables of a stack, as Ringway lays them out.

struct key {
    struct address guest, remote;
    uint16_t guest_port, remote_port;
    uint32_t transport;
};

struct transport_address {
    struct address address;
    uint16_t port;
};

enum effect_kind { WRITE_FRAME, CONNECT, CONNECT_SERVICE, SEND_STREAM, RECEIVE_STREAM, OTHER_EFFECT };

struct effect {
    uint8_t kind, hop_limit, traffic_class;
    uint16_t generation, segment_size;
    uint32_t slot, lease, offset, length, payload, payload_offset, payload_length;
    struct transport_address address;
};

enum state {
    CONNECTING, SYN_SENT, SYN_RECEIVED, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK, TIME_WAIT,
    DRAINING
};

enum {
    DIRTY = 1 << 0, ACKNOWLEDGE = 1 << 1, SENDING = 1 << 2, RECEIVING = 1 << 3, GUEST_FINISHED = 1 << 4,
    HOST_FINISHED = 1 << 5, FIN_SENT = 1 << 6, SHUT_DOWN = 1 << 7, SCALING = 1 << 9, SACK = 1 << 10,
    RECOVERING = 1 << 11, TIMED_OUT = 1 << 12, SOCKET = 1 << 13, TIMING = 1 << 14, FIN_PENDING = 1 << 15,
    URGENT = 1 << 16
};

struct connection {
    struct key key;
    uint8_t state, send_scale, receive_scale, duplicates, retransmissions, keepalive_probes;
    uint16_t segment_size;
    uint32_t marks;
    uint32_t snd_una, snd_nxt, snd_window, snd_window_maximum, snd_wl1, snd_wl2;
    struct lease_queue unacked;
    uint32_t congestion_window, slow_start_threshold, recover, loss_edge, retransmit_next;
    int64_t held_count;
    uint32_t held[16];
    uint32_t rcv_nxt, rcv_edge, initial_receive, fin_sequence;
    struct lease_queue parked;
    uint32_t out_of_order, out_of_order_bytes, latest_block, park_target, taken_since_growth;
    uint64_t smoothed, variation, timeout;
    uint32_t timed_sequence;
    uint64_t timed_at, retransmit_at, probe_at, end_at, heard_at, timer_at, probe_interval, challenged_at;
    uint32_t dirty_next, socket;
    struct transport_address host;
};

enum metric {
    FRAMES_FROM_GUEST, BYTES_FROM_GUEST, FRAMES_TO_GUEST, BYTES_TO_GUEST, SPOOFED, NO_BUFFER, DUPLICATE_BYTES,
    BEYOND_WINDOW, PARKED_BYTES, UNEXPECTED, METRICS
};

struct twin {
    struct pool *pool;
    uint64_t *counters;
    struct effect *effects;
    uint64_t effect_mask, effect_head, effect_tail;
    uint64_t now;
    uint64_t guest_mac, gateway_mac;
    uint32_t first_guest, last_guest;
    // The flow table.
    uint32_t *tags;
    struct key *keys;
    uint32_t *references;
    uint64_t table_mask, secret;
    // The slab of connections.
    struct connection *connections;
    uint16_t *generations;
    uint32_t fresh;
    struct wheel *wheel;
    uint32_t dirty_head;
    int64_t committed, commit_limit, park_limit;
    int64_t connection_count;
    // The guest and the host.
    uint8_t super_frame[128], plain_frame[128];
    uint16_t *slots;
    uint32_t guest_next, stack_next, asked;
    uint64_t bytes_to_host, frames_to_guest, frames_from_guest;
};

void stack_receive_frame(struct twin *t, const struct summary *s, uint32_t lease, int length);
void stack_stream_received(struct twin *t, uint32_t slot, uint16_t generation, uint32_t lease, int offset, int length);
void stack_stream_sent(struct twin *t, uint32_t slot, uint16_t generation, int64_t bytes);
uint32_t stack_parked_payload(const struct twin *t, uint32_t slot, uint16_t generation);
bool stack_run_timers(struct twin *t);
void stack_finish_turn(struct twin *t);
uint64_t key_hash(const struct key *key, uint64_t secret);

static inline void count(struct twin *t, enum metric metric, int64_t amount) {
    __atomic_store_n(
        &t->counters[metric], __atomic_load_n(&t->counters[metric], __ATOMIC_RELAXED) + (uint64_t)amount,
        __ATOMIC_RELAXED);
}

static inline int32_t distance(uint32_t to, uint32_t from) { return (int32_t)(to - from); }
static inline bool precedes(uint32_t a, uint32_t b) { return distance(b, a) > 0; }

#endif

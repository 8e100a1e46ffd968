#include "stack.h"

// MARK: Tables

uint64_t key_hash(const struct key *key, uint64_t secret) {
#define MIX(a, b) ({ unsigned __int128 p = (unsigned __int128)(a) * (b); (uint64_t)(p >> 64) ^ (uint64_t)p; })
    uint64_t tail = (uint64_t)key->guest_port << 48 | (uint64_t)key->remote_port << 32 | key->transport;
    uint64_t a = MIX(key->guest.high ^ 0x9E3779B97F4A7C15, key->guest.low ^ secret);
    uint64_t b = MIX(key->remote.high ^ 0xD1B54A32D192ED03, key->remote.low ^ secret);
    return MIX(a ^ tail, b ^ 0x8CB92BA72F3D8DD7);
}

static bool same_key(const struct key *a, const struct key *b) {
    uint64_t a_tail = (uint64_t)a->guest_port << 48 | (uint64_t)a->remote_port << 32 | a->transport;
    uint64_t b_tail = (uint64_t)b->guest_port << 48 | (uint64_t)b->remote_port << 32 | b->transport;
    return ((a->guest.high ^ b->guest.high) | (a->guest.low ^ b->guest.low) | (a->remote.high ^ b->remote.high) |
            (a->remote.low ^ b->remote.low) | (a_tail ^ b_tail)) == 0;
}

static uint32_t find(const struct twin *t, const struct key *key) {
    uint32_t wanted = (uint32_t)key_hash(key, t->secret) | 1;
    uint64_t place = (wanted >> 1) & t->table_mask;
    for (;;) {
        uint32_t found = t->tags[place];
        if (found == 0) return UINT32_MAX;
        if (found == wanted && same_key(&t->keys[place], key)) return t->references[place];
        place = (place + 1) & t->table_mask;
    }
}

static struct connection *named(const struct twin *t, uint32_t slot, uint16_t generation) {
    if (slot >= t->fresh || t->generations[slot] != generation) return NULL;
    return &t->connections[slot];
}

static struct connection *in_slot(const struct twin *t, uint32_t slot) {
    if (slot >= t->fresh || !(t->generations[slot] & 1)) return NULL;
    return &t->connections[slot];
}

static uint32_t slot_of(const struct twin *t, const struct connection *c) { return (uint32_t)(c - t->connections); }

// MARK: Effects

static void add_effect(struct twin *t, const struct effect *effect) {
    if (t->effect_tail - t->effect_head > t->effect_mask) abort();
    t->effects[t->effect_tail++ & t->effect_mask] = *effect;
}

static void stream_effect(struct twin *t, uint8_t kind, const struct connection *c, uint32_t length) {
    uint32_t slot = slot_of(t, c);
    add_effect(t, &(struct effect){
        .kind = kind, .hop_limit = 64, .slot = slot, .generation = t->generations[slot], .offset = c->socket,
        .length = length, .lease = NO_LEASE, .payload = NO_LEASE, .address = {c->key.remote, 0}});
}

static void write_frame(struct twin *t, uint32_t lease, int64_t offset, int length) {
    add_effect(t, &(struct effect){
        .kind = WRITE_FRAME, .hop_limit = 64, .lease = lease, .offset = (uint32_t)offset, .length = (uint32_t)length,
        .payload = NO_LEASE, .address = {mapped(0), 0}});
}

static bool is_pressed(const struct twin *t) { return available(&t->pool->large) < t->pool->large_count / 2; }

// MARK: Timers

static uint64_t earliest_deadline(const struct connection *c) {
    uint64_t earliest = UINT64_MAX;
    if (c->retransmit_at) earliest = c->retransmit_at;
    if (c->probe_at && c->probe_at < earliest) earliest = c->probe_at;
    if (c->end_at && c->end_at < earliest) earliest = c->end_at;
    if (c->state == ESTABLISHED || c->state == CLOSE_WAIT || c->state == FIN_WAIT_2) {
        uint64_t keepalive = c->heard_at + 120000000000u + (uint64_t)c->keepalive_probes * 15000000000u;
        if (keepalive < earliest) earliest = keepalive;
    }
    return earliest;
}

static void arm_timer(struct twin *t, struct connection *c) {
    uint64_t deadline = earliest_deadline(c);
    if (deadline == UINT64_MAX) return;
    if (c->timer_at && c->timer_at <= deadline) return;
    c->timer_at = deadline;
    wheel_schedule(t->wheel, slot_of(t, c), deadline);
}

static void start_retransmission_timer(struct twin *t, struct connection *c) {
    uint64_t timeout = c->timeout << (c->retransmissions < 16 ? c->retransmissions : 16);
    c->retransmit_at = t->now + (timeout < 60000000000u ? timeout : 60000000000u);
    arm_timer(t, c);
}

bool stack_run_timers(struct twin *t) {
    uint32_t timer = wheel_pop(t->wheel, t->now);
    if (timer == NO_TIMER) return false;
    struct connection *c = in_slot(t, timer);
    if (!c) return true;
    c->timer_at = 0;
    if (c->end_at && c->end_at <= t->now) cold_segment(t, c, 1);
    if (c->retransmit_at && c->retransmit_at <= t->now) cold_segment(t, c, 2);
    if (c->probe_at && c->probe_at <= t->now) cold_segment(t, c, 3);
    arm_timer(t, c);
    return true;
}

// MARK: The window we offer

static bool guest_may_send(const struct connection *c) {
    return c->state == ESTABLISHED || c->state == FIN_WAIT_1 || c->state == FIN_WAIT_2;
}

static bool host_may_send(const struct connection *c) { return c->state == ESTABLISHED || c->state == CLOSE_WAIT; }

static uint32_t allowed_edge(struct twin *t, const struct connection *c) {
    if (!guest_may_send(c) && c->state != SYN_RECEIVED) return c->rcv_edge;
    int64_t room = (int64_t)c->park_target - c->parked.bytes;
    if (room < 0) room = 0;
    uint32_t edge = c->rcv_nxt + (uint32_t)room;
    int64_t growth = distance(edge, c->rcv_edge);
    if (growth <= 0) return c->rcv_edge;
    if (t->committed + growth > t->commit_limit) {
        int64_t share = t->commit_limit / 2 / (t->connection_count > 1 ? t->connection_count : 1);
        int64_t least = share < 1460 ? 1460 : share > 4380 ? 4380 : share;
        if (least > room) least = room;
        edge = c->rcv_nxt + (uint32_t)least;
        if (precedes(edge, c->rcv_edge)) return c->rcv_edge;
    }
    return edge;
}

static uint16_t window_field(struct twin *t, struct connection *c) {
    uint32_t edge = allowed_edge(t, c);
    uint32_t scale = c->marks & SCALING ? c->receive_scale : 0;
    uint32_t field = (edge - c->rcv_nxt) >> scale;
    if (field > 65535) field = 65535;
    uint32_t told = c->rcv_nxt + (field << scale), rest = c->rcv_edge - c->rcv_nxt;
    if (precedes(told, c->rcv_edge) && field < 65535 &&
        (int64_t)rest + c->parked.bytes <= (int64_t)c->park_target + 16384) {
        field = (rest + (1u << scale) - 1) >> scale;
        if (field > 65535) field = 65535;
        told = c->rcv_nxt + (field << scale);
    }
    if (precedes(c->rcv_edge, told)) {
        t->committed += distance(told, c->rcv_edge);
        c->rcv_edge = told;
    }
    return (uint16_t)field;
}

static void owe(struct twin *t, struct connection *c, bool urgent) {
    c->marks |= urgent ? ACKNOWLEDGE | URGENT : ACKNOWLEDGE;
    if (c->marks & DIRTY) return;
    c->marks |= DIRTY;
    c->dirty_next = t->dirty_head;
    t->dirty_head = slot_of(t, c);
}

static void host_took(struct twin *t, struct connection *c, int64_t bytes) {
    t->committed -= bytes;
    count(t, PARKED_BYTES, -bytes);
    c->taken_since_growth += (uint32_t)bytes;
    if (c->taken_since_growth >= c->park_target) {
        c->taken_since_growth = 0;
        if (c->parked.bytes <= c->park_target / 2) {
            uint32_t twice = c->park_target * 2;
            if (twice > t->park_limit) twice = (uint32_t)t->park_limit;
            if (twice > c->park_target) c->park_target = twice;
        }
    }
    if (!guest_may_send(c)) return;
    int64_t told = distance(c->rcv_edge, c->rcv_nxt), target = c->park_target;
    if (told < target / 2) {
        int64_t gain = distance(allowed_edge(t, c), c->rcv_edge);
        int64_t worth = target / 4 < 2 * c->segment_size ? target / 4 : 2 * c->segment_size;
        if (gain >= worth || (told == 0 && gain > 0)) owe(t, c, false);
    }
}

// MARK: Segments to the guest

static int write_headers(
    struct twin *t, uint8_t *payload, const struct connection *c, uint32_t sequence, uint32_t acknowledgement,
    uint8_t flags, uint16_t window, int payload_length, int option_length) {
    if (!is_ipv4(c->key.remote)) return (int)cold_bytes(t, (struct connection *)c, 4);
    int tcp_length = 20 + option_length, total = 12 + 14 + 20 + tcp_length;
    uint8_t *start = payload - total;
    memset(start, 0, 12);
    start[0] = 1;
    start[6] = 34;
    start[8] = 16;
    if (payload_length > c->segment_size) {
        uint16_t header_length = (uint16_t)(34 + tcp_length);
        start[1] = 1;
        store_raw16(start + 2, header_length);
        store_raw16(start + 4, c->segment_size);
    }
    uint8_t *ethernet = start + 12;
    store48(ethernet, t->guest_mac);
    store48(ethernet + 6, t->gateway_mac);
    store16(ethernet + 12, 0x0800);
    uint8_t *ip = ethernet + 14;
    int length = 20 + tcp_length + payload_length;
    if (length > 65535) abort();
    store16(ip, 0x4500);
    store16(ip + 2, (uint16_t)length);
    store32(ip + 4, 0x4000);
    store32(ip + 8, 64 << 24 | 6 << 16);
    store32(ip + 12, (uint32_t)c->key.remote.low);
    store32(ip + 16, (uint32_t)c->key.guest.low);
    store_raw16(ip + 10, (uint16_t)~fold(header_sum(ip, 20)));
    uint8_t *tcp = ip + 20;
    store16(tcp, c->key.remote_port);
    store16(tcp + 2, c->key.guest_port);
    store32(tcp + 4, sequence);
    store32(tcp + 8, acknowledgement);
    tcp[12] = (uint8_t)(tcp_length / 4 << 4);
    tcp[13] = flags;
    store16(tcp + 14, window);
    store32(tcp + 16, 0);
    store_raw16(tcp + 16, fold(pseudo_header(c->key.remote, c->key.guest, 6, tcp_length + payload_length)));
    return total;
}

static void send_bare(struct twin *t, struct connection *c, uint32_t sequence, uint8_t flags) {
    int bytes = 12 + 14 + (is_ipv4(c->key.remote) ? 20 : 40) + 20;
    uint32_t lease = lease_fitting(t->pool, bytes);
    if (lease == NO_LEASE) return count(t, NO_BUFFER, 1);
    if (flags & 2) cold_segment(t, c, 5);
    uint16_t window = window_field(t, c);
    int total = write_headers(
        t, address_of(t->pool, lease) + bytes, c, sequence, flags & 0x10 ? c->rcv_nxt : 0, flags, window, 0, 0);
    write_frame(t, lease, bytes - total, total);
    if (flags & 0x10) c->marks &= ~(uint32_t)(ACKNOWLEDGE | URGENT);
}

static void send_payload(struct twin *t, struct connection *c, uint32_t lease) {
    struct lease_state *state = state_of(t->pool, lease);
    int length = (int)state->length;
    uint32_t sequence = c->snd_nxt;
    state->sequence = sequence;
    state->sent_at = t->now;
    c->snd_nxt = sequence + (uint32_t)length;
    uint8_t *payload = address_of(t->pool, lease) + state->offset;
    int total = write_headers(t, payload, c, sequence, c->rcv_nxt, 0x18, window_field(t, c), length, 0);
    c->marks &= ~(uint32_t)(ACKNOWLEDGE | URGENT);
    append(t->pool, &c->unacked, lease);
    state->holds++;
    write_frame(t, lease, (int64_t)state->offset - total, total + length);
    if (!(c->marks & TIMING)) {
        c->marks |= TIMING;
        c->timed_sequence = c->snd_nxt;
        c->timed_at = t->now;
    }
    if (c->retransmit_at == 0) start_retransmission_timer(t, c);
}

void stack_finish_turn(struct twin *t) {
    while (t->dirty_head != UINT32_MAX) {
        struct connection *c = in_slot(t, t->dirty_head);
        if (!c) abort();
        t->dirty_head = c->dirty_next;
        c->dirty_next = UINT32_MAX;
        c->marks &= ~(uint32_t)DIRTY;
        if (!(c->marks & ACKNOWLEDGE)) continue;
        if (c->out_of_order != NO_LEASE && c->marks & SACK) cold_segment(t, c, 6);
        else send_bare(t, c, c->snd_nxt, 0x10);
    }
}

// MARK: Streams

static void request_send(struct twin *t, struct connection *c) {
    if (c->marks & SENDING || c->parked.head == NO_LEASE) return;
    c->marks |= SENDING;
    stream_effect(t, SEND_STREAM, c, 0);
}

static void request_receive(struct twin *t, struct connection *c) {
    uint32_t marks = c->marks;
    if (marks & (RECEIVING | HOST_FINISHED) || !host_may_send(c) || !(marks & SOCKET)) return;
    uint32_t flight = c->snd_nxt - c->snd_una, window = c->snd_window;
    if (window == 0 && flight == 0) return cold_segment(t, c, 7);
    uint32_t allowed = window < c->congestion_window ? window : c->congestion_window;
    if (allowed <= flight) return;
    uint32_t usable = allowed - flight, segment = c->segment_size;
    if (usable < segment && flight > 0 && usable < c->snd_window_maximum / 2) return;
    uint32_t most;
    if (is_pressed(t)) {
        most = 1792;
    } else {
        uint32_t whole = (65535u - (is_ipv4(c->key.remote) ? 20 : 40) - 20) / segment;
        most = (whole > 1 ? whole : 1) * segment;
    }
    c->marks |= RECEIVING;
    stream_effect(t, RECEIVE_STREAM, c, usable < most ? usable : most);
}

uint32_t stack_parked_payload(const struct twin *t, uint32_t slot, uint16_t generation) {
    struct connection *c = named(t, slot, generation);
    return c ? c->parked.head : NO_LEASE;
}

void stack_stream_sent(struct twin *t, uint32_t slot, uint16_t generation, int64_t bytes) {
    struct connection *c = named(t, slot, generation);
    if (!c) return;
    c->marks &= ~(uint32_t)SENDING;
    int64_t rest = bytes;
    while (rest > 0 && c->parked.head != NO_LEASE) {
        uint32_t first = c->parked.head;
        struct lease_state *state = state_of(t->pool, first);
        if (rest >= state->length) {
            rest -= state->length;
            pop_first(t->pool, &c->parked);
            release(t->pool, first);
        } else {
            state->offset += (uint32_t)rest;
            state->length -= (uint32_t)rest;
            c->parked.bytes -= rest;
            rest = 0;
        }
    }
    host_took(t, c, bytes - rest);
    request_send(t, c);
    if (c->marks & GUEST_FINISHED && c->marks & SOCKET && !(c->marks & SHUT_DOWN) && c->parked.head == NO_LEASE &&
        !(c->marks & SENDING))
        cold_segment(t, c, 8);
    c = named(t, slot, generation);
    if (c && (c->state == TIME_WAIT || c->state == DRAINING)) cold_segment(t, c, 9);
}

void stack_stream_received(struct twin *t, uint32_t slot, uint16_t generation, uint32_t taken, int offset, int length) {
    struct connection *c = named(t, slot, generation);
    if (!c || !host_may_send(c)) return release(t->pool, taken);
    c->marks &= ~(uint32_t)RECEIVING;
    if (length <= 1792 && !(taken & SMALL_BIT)) {
        uint32_t small = lease(t->pool, true);
        if (small != NO_LEASE) {
            memcpy(address_of(t->pool, small) + 128, address_of(t->pool, taken) + offset, (size_t)length);
            release(t->pool, taken);
            taken = small;
            offset = 128;
        }
    }
    struct lease_state *state = state_of(t->pool, taken);
    state->offset = (uint32_t)offset;
    state->length = (uint32_t)length;
    send_payload(t, c, taken);
    request_receive(t, c);
}

// MARK: Acknowledgements from the guest

static void grow(struct connection *c, uint32_t bytes) {
    uint32_t window = c->congestion_window;
    if (window >= 16u << 20) return;
    if (window < c->slow_start_threshold) {
        c->congestion_window = window + bytes;
    } else {
        uint64_t step = (uint64_t)c->segment_size * bytes / (window > 1 ? window : 1);
        c->congestion_window = window + (uint32_t)(step > 1 ? step : 1);
    }
}

static void measure(struct connection *c, uint64_t sample) {
    if (c->smoothed == 0) {
        c->smoothed = sample > 1 ? sample : 1;
        c->variation = sample / 2;
    } else {
        uint64_t smoothed = c->smoothed, off = smoothed > sample ? smoothed - sample : sample - smoothed;
        c->variation = (3 * c->variation + off) / 4;
        smoothed = (7 * smoothed + sample) / 8;
        c->smoothed = smoothed > 1 ? smoothed : 1;
    }
    uint64_t spread = 4 * c->variation > 1000000 ? 4 * c->variation : 1000000, timeout = c->smoothed + spread;
    if (timeout < 1000000000u) timeout = 1000000000u;
    c->timeout = timeout < 60000000000u ? timeout : 60000000000u;
}

static void advance(struct twin *t, struct connection *c, uint32_t acknowledgement, uint32_t bytes) {
    c->snd_una = acknowledgement;
    c->duplicates = 0;
    c->retransmissions = 0;
    if (c->held_count) cold_segment(t, c, 10);
    while (c->unacked.head != NO_LEASE) {
        uint32_t first = c->unacked.head;
        struct lease_state *state = state_of(t->pool, first);
        if (precedes(acknowledgement, state->sequence + state->length)) break;
        pop_first(t->pool, &c->unacked);
        release(t->pool, first);
    }
    if (c->marks & TIMING && !precedes(acknowledgement, c->timed_sequence)) {
        c->marks &= ~(uint32_t)TIMING;
        measure(c, t->now - c->timed_at);
    }
    if (c->marks & RECOVERING) cold_segment(t, c, 11);
    else grow(c, bytes);
    if (c->snd_nxt == c->snd_una) c->retransmit_at = 0;
    else start_retransmission_timer(t, c);
}

static void receive_acknowledgement(
    struct twin *t, struct connection *c, const uint8_t *header, int header_length, int payload_length) {
    uint32_t acknowledgement = load32(header + 8), sequence = load32(header + 4);
    int32_t progress = distance(acknowledgement, c->snd_una);
    if (precedes(c->snd_nxt, acknowledgement)) return owe(t, c, true);
    uint32_t window = (uint32_t)load16(header + 14) << (c->marks & SCALING ? c->send_scale : 0);
    bool same = window == c->snd_window, newly = false;
    if (progress >= 0 &&
        (precedes(c->snd_una, acknowledgement) || precedes(c->snd_wl1, sequence) ||
         (c->snd_wl1 == sequence && !precedes(acknowledgement, c->snd_wl2)))) {
        c->snd_window = window;
        if (window > c->snd_window_maximum) c->snd_window_maximum = window;
        c->snd_wl1 = sequence;
        c->snd_wl2 = acknowledgement;
        if (window > 0) {
            c->probe_at = 0;
            c->probe_interval = 0;
        }
    }
    if (c->marks & SACK && header_length > 20 && progress >= 0) newly = cold_payload(t, c, 0, 12);
    if (progress > 0) {
        advance(t, c, acknowledgement, (uint32_t)progress);
    } else if (progress == 0 && payload_length == 0 && c->snd_nxt != c->snd_una && (same || newly)) {
        cold_segment(t, c, 13);
    }
    if (c->marks & RECOVERING) cold_segment(t, c, 14);
    bool fin = c->marks & FIN_SENT && c->snd_una == c->snd_nxt;
    if (fin && c->state != FIN_WAIT_2 && c->state != TIME_WAIT && c->state != DRAINING)
        return cold_segment(t, c, 15);
    request_receive(t, c);
}

// MARK: Segments from the guest

static bool park(struct twin *t, struct connection *c, uint32_t taken) {
    struct lease_state *state = state_of(t->pool, taken);
    int64_t length = state->length;
    c->rcv_nxt += (uint32_t)length;
    count(t, PARKED_BYTES, length);
    uint32_t tail = c->parked.tail;
    if (length < 16384 && tail != NO_LEASE && state_of(t->pool, tail)->holds == 1) {
        struct lease_state *last = state_of(t->pool, tail);
        int64_t end = (int64_t)last->offset + last->length;
        if (end + length <= size_of(tail)) {
            memcpy(address_of(t->pool, tail) + end, address_of(t->pool, taken) + state->offset, (size_t)length);
            last->length += (uint32_t)length;
            c->parked.bytes += length;
            return false;
        }
    }
    if (!(taken & SMALL_BIT) && is_pressed(t) && cold_payload(t, c, taken, 16)) return false;
    if (length <= 1792 && !(taken & SMALL_BIT)) {
        uint32_t small = lease(t->pool, true);
        if (small != NO_LEASE) {
            memcpy(address_of(t->pool, small), address_of(t->pool, taken) + state->offset, (size_t)length);
            state_of(t->pool, small)->length = (uint32_t)length;
            append(t->pool, &c->parked, small);
            return false;
        }
    }
    append(t->pool, &c->parked, taken);
    return true;
}

static bool receive_payload(
    struct twin *t, struct connection *c, uint32_t start, uint32_t lease, int64_t offset, int64_t length) {
    int64_t old = distance(c->rcv_nxt, start);
    if (old > 0) {
        count(t, DUPLICATE_BYTES, old < length ? old : length);
        owe(t, c, true);
        if (old >= length) return false;
        start = c->rcv_nxt;
        offset += old;
        length -= old;
    }
    int64_t beyond = distance(start + (uint32_t)length, c->rcv_edge);
    if (beyond > 0) {
        count(t, BEYOND_WINDOW, 1);
        owe(t, c, true);
        if (beyond >= length) return false;
        length -= beyond;
    }
    struct lease_state *state = state_of(t->pool, lease);
    state->offset = (uint32_t)offset;
    state->length = (uint32_t)length;
    state->sequence = start;
    if (start == c->rcv_nxt) {
        bool kept = park(t, c, lease);
        if (c->out_of_order != NO_LEASE) cold_segment(t, c, 17);
        owe(t, c, false);
        request_send(t, c);
        return kept;
    }
    owe(t, c, true);
    return cold_payload(t, c, lease, 18);
}

static bool inside(uint32_t sequence, uint32_t start, uint32_t size) { return sequence - start < size; }

static bool is_acceptable(const struct connection *c, uint32_t sequence, int64_t extent) {
    int32_t open = distance(c->rcv_edge, c->rcv_nxt);
    uint32_t window = open > 0 ? (uint32_t)open : 0;
    if (extent == 0) return inside(sequence, c->rcv_nxt, window + 1);
    if (window == 0) return sequence == c->rcv_nxt;
    return inside(sequence, c->rcv_nxt, window) || inside(sequence + (uint32_t)(extent - 1), c->rcv_nxt, window) ||
           (!precedes(c->rcv_nxt, sequence) && precedes(c->rcv_nxt, sequence + (uint32_t)extent));
}

static bool receive_synchronised(
    struct twin *t, struct connection *c, const uint8_t *header, int header_length, const struct summary *s,
    uint32_t lease) {
    uint8_t flags = header[13];
    int64_t length = s->payload_length;
    uint32_t sequence = load32(header + 4);
    int64_t extent = length + (flags >> 1 & 1) + (flags & 1);
    if (!is_acceptable(c, sequence, extent)) return cold_payload(t, c, lease, 19);
    if (flags & 4) return cold_payload(t, c, lease, 20);
    if (flags & 2) return cold_payload(t, c, lease, 21);
    if (!(flags & 0x10)) return false;
    c->heard_at = t->now;
    c->keepalive_probes = 0;
    if (c->state == SYN_RECEIVED) {
        cold_segment(t, c, 22);
    } else {
        uint32_t slot = slot_of(t, c);
        uint16_t generation = t->generations[slot];
        receive_acknowledgement(t, c, header, header_length, (int)extent);
        if (!named(t, slot, generation)) return false;
    }
    bool kept = false;
    if (length > 0 && guest_may_send(c) && !(c->marks & GUEST_FINISHED)) {
        kept = receive_payload(t, c, sequence, lease, (int64_t)s->payload_offset + 12, length);
    } else if (length > 0) {
        owe(t, c, true);
    }
    if (flags & 1 && !(c->marks & GUEST_FINISHED)) cold_segment(t, c, 23);
    else if (c->marks & FIN_PENDING && c->fin_sequence == c->rcv_nxt) cold_segment(t, c, 24);
    return kept;
}

static void receive_tcp(struct twin *t, const struct summary *s, uint32_t lease, const uint8_t *frame) {
    const uint8_t *header = frame + s->transport_offset;
    int count_ = (uint16_t)(s->payload_offset - s->transport_offset) + (int)s->payload_length;
    int header_length = count_ < 20 ? 0 : (header[12] >> 4) * 4;
    if (header_length < 20 || header_length > count_) {
        count(t, UNEXPECTED, 1);
        return release(t->pool, lease);
    }
    struct key key = {s->source, s->destination, s->source_port, s->destination_port, 6};
    uint32_t reference = find(t, &key);
    struct connection *c = NULL;
    if (reference != UINT32_MAX && reference >> 28 == 0) c = in_slot(t, reference & 0x0fffffff);
    if (!c) {
        cold_segment(t, c, 25);
        return release(t->pool, lease);
    }
    switch (c->state) {
    case CONNECTING: cold_segment(t, c, 26); break;
    case SYN_SENT: cold_segment(t, c, 27); break;
    case TIME_WAIT:
    case DRAINING: cold_segment(t, c, 28); break;
    default:
        if (receive_synchronised(t, c, header, header_length, s, lease)) return;
    }
    release(t->pool, lease);
}

void stack_receive_frame(struct twin *t, const struct summary *s, uint32_t lease, int length) {
    (void)length;
    const uint8_t *frame = address_of(t->pool, lease) + 12;
    if (s->kind != KIND_TCP) return cold_segment(t, NULL, 29);
    bool accepted = is_ipv4(s->source) ? (uint32_t)s->source.low >= t->first_guest &&
                                             (uint32_t)s->source.low <= t->last_guest
                                       : cold_bytes(t, NULL, 30);
    if (!accepted) {
        count(t, SPOOFED, 1);
        return release(t->pool, lease);
    }
    if (s->source_mac != t->guest_mac) t->guest_mac = s->source_mac;
    receive_tcp(t, s, lease, frame);
}

#include "twin.h"

#include "stack.h"

// The guest and the host that pump the twin: word for word what `PumpedShard` does around the stack.

#define TRANSPORT (12 + 14 + 20)
#define FIRST_PORT 10000
#define FLOWS 2048
#define LARGE 1927
#define SMALL 65536

static void *zeroed(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (!memory) abort();
    return memory;
}

static struct pool *create_pool(void) {
    struct pool *p = zeroed(1, sizeof *p);
    p->regions = zeroed(1, sizeof *p->regions);
    p->regions[0] = (struct region){
        .large = aligned_alloc(4096, (size_t)LARGE * LARGE_SIZE),
        .small = aligned_alloc(4096, (size_t)SMALL * SMALL_SIZE),
        .large_states = zeroed(LARGE, sizeof(struct lease_state)),
        .small_states = zeroed(SMALL, sizeof(struct lease_state)),
    };
    p->large_count = LARGE;
    p->large = (struct free_list){zeroed(LARGE, 4), 0, 0, LARGE};
    p->small = (struct free_list){zeroed(SMALL, 4), 0, 0, SMALL};
    return p;
}

static void make_template(struct twin *t, uint8_t *frame, int payload, bool is_split) {
    uint16_t gso = is_split ? 1460 : 0, header_length = 54, start = 34, offset = 16;
    memset(frame, 0, TRANSPORT + 20);
    frame[0] = 1;
    frame[1] = is_split;
    memcpy(frame + 2, &header_length, 2);
    memcpy(frame + 4, &gso, 2);
    memcpy(frame + 6, &start, 2);
    memcpy(frame + 8, &offset, 2);
    store48(frame + 12, t->gateway_mac);
    store48(frame + 18, t->guest_mac);
    store16(frame + 24, 0x0800);
    uint8_t *ip = frame + 26;
    store16(ip, 0x4500);
    store16(ip + 2, (uint16_t)(40 + payload));
    store16(ip + 6, 0x4000);
    ip[8] = 64;
    ip[9] = 6;
    store32(ip + 12, t->first_guest);
    store32(ip + 16, 203u << 24 | 113 << 8 | 9);
    store_raw16(ip + 10, (uint16_t)~fold(header_sum(ip, 20)));
    uint8_t *tcp = ip + 20;
    store16(tcp + 2, 443);
    tcp[12] = 5 << 4;
    tcp[13] = 0x10;
    store16(tcp + 14, 65535);
}

static void establish(struct twin *t) {
    struct connection *c = &t->connections[0];
    c->key = (struct key){mapped(t->first_guest), mapped(203u << 24 | 113 << 8 | 9), FIRST_PORT, 443, 6};
    c->state = ESTABLISHED;
    c->segment_size = 1460;
    c->send_scale = 7;
    c->receive_scale = 8;
    c->marks = SOCKET | SCALING | RECEIVING;
    c->snd_una = c->snd_nxt = t->stack_next = 77777;
    c->snd_window = c->snd_window_maximum = 65535 << 7;
    c->congestion_window = 1 << 20;
    c->slow_start_threshold = UINT32_MAX;
    c->unacked = c->parked = (struct lease_queue){NO_LEASE, NO_LEASE, 0};
    c->out_of_order = NO_LEASE;
    c->park_target = 65535;
    c->timeout = 1000000000;
    c->rcv_nxt = c->snd_wl1 = t->guest_next = 1001;
    c->rcv_edge = c->rcv_nxt + 65535;
    c->heard_at = t->now;
    c->dirty_next = UINT32_MAX;
    t->committed = 65535;
    t->connection_count = 1;
    t->generations[0] = 1;
    t->fresh = 1;
    t->asked = 64240;
    uint32_t tag = (uint32_t)key_hash(&c->key, t->secret) | 1;
    uint64_t place = (tag >> 1) & t->table_mask;
    t->tags[place] = tag;
    t->keys[place] = c->key;
    t->references[place] = 0;
}

struct twin *twin_create(void) {
    struct twin *t = zeroed(1, sizeof *t);
    t->pool = create_pool();
    t->counters = zeroed(METRICS, 8);
    t->effects = zeroed(4096, sizeof *t->effects);
    t->effect_mask = 4095;
    t->now = 1000000000;
    t->guest_mac = 0x525500000002;
    t->gateway_mac = 0x525500000001;
    t->first_guest = 192u << 24 | 168 << 16 | 127 << 8 | 2;
    t->last_guest = t->first_guest + 251;
    t->table_mask = 32767;
    t->tags = zeroed(t->table_mask + 1, sizeof *t->tags);
    t->keys = zeroed(t->table_mask + 1, sizeof *t->keys);
    t->references = zeroed(t->table_mask + 1, sizeof *t->references);
    t->secret = 42;
    t->connections = zeroed(FLOWS, sizeof *t->connections);
    t->generations = zeroed(FLOWS, sizeof *t->generations);
    t->wheel = zeroed(1, sizeof *t->wheel);
    t->wheel->nodes = zeroed(FLOWS, sizeof(struct node));
    t->wheel->capacity = FLOWS;
    t->wheel->current = t->now >> 20;
    for (int timer = 0; timer < FLOWS; timer++) t->wheel->nodes[timer].chain = NO_TIMER;
    for (int chain = 0; chain < 5 * 64; chain++) t->wheel->heads[chain] = NO_TIMER;
    t->dirty_head = UINT32_MAX;
    t->commit_limit = (int64_t)SMALL * SMALL_SIZE / 2;
    t->park_limit = 4 << 20;
    t->slots = zeroed(65536 - FIRST_PORT, sizeof *t->slots);
    make_template(t, t->super_frame, 64240, true);
    make_template(t, t->plain_frame, 64, false);
    establish(t);
    return t;
}

void twin_destroy(struct twin *t) {
    struct region *region = t->pool->regions;
    free(region->large), free(region->small), free(region->large_states), free(region->small_states), free(region);
    free(t->pool->large.slots), free(t->pool->small.slots), free(t->pool);
    free(t->counters), free(t->effects), free(t->tags), free(t->keys), free(t->references);
    free(t->connections), free(t->generations), free(t->wheel->nodes), free(t->wheel), free(t->slots), free(t);
}

size_t twin_bytes_to_host(const struct twin *t) { return t->bytes_to_host; }
size_t twin_frames_to_guest(const struct twin *t) { return t->frames_to_guest; }

static void deliver(struct twin *t, const struct effect *effect) {
    t->frames_to_guest++;
    count(t, FRAMES_TO_GUEST, 1);
    count(t, BYTES_TO_GUEST, effect->length);
    const uint8_t *frame = address_of(t->pool, effect->lease) + effect->offset;
    if (frame[12 + 14 + 9] == 6 && load16(frame + 24) == 0x0800) {
        const uint8_t *header = frame + TRANSPORT;
        uint16_t port = load16(header + 2);
        uint32_t sequence = load32(header + 4), header_length = (header[12] >> 4) * 4u;
        uint32_t payload = effect->length - TRANSPORT - header_length;
        if (t->slots[port - FIRST_PORT] == 0) t->stack_next = sequence + payload + (header[13] >> 1 & 1);
    }
    release(t->pool, effect->lease);
}

static void send(struct twin *t, const struct effect *effect) {
    int64_t bytes = 0;
    for (uint32_t lease = stack_parked_payload(t, effect->slot, effect->generation); lease != NO_LEASE;) {
        const struct lease_state *state = state_of(t->pool, lease);
        bytes += state->length;
        lease = state->next;
    }
    t->bytes_to_host += (uint64_t)bytes;
    stack_stream_sent(t, effect->slot, effect->generation, bytes);
}

static void perform(struct twin *t) {
    while (t->effect_head != t->effect_tail) {
        struct effect effect = t->effects[t->effect_head++ & t->effect_mask];
        switch (effect.kind) {
        case WRITE_FRAME: deliver(t, &effect); break;
        case SEND_STREAM: send(t, &effect); break;
        case RECEIVE_STREAM: t->asked = effect.length; break;
        default: abort();
        }
    }
}

static void take(struct twin *t, uint32_t lease, int length) {
    count(t, FRAMES_FROM_GUEST, 1);
    count(t, BYTES_FROM_GUEST, length);
    struct summary summary;
    if (parse(address_of(t->pool, lease), length, &summary) != NONE) abort();
    t->frames_from_guest++;
    stack_receive_frame(t, &summary, lease, length);
    perform(t);
}

static void receive_segment(struct twin *t, int payload) {
    uint32_t taken = lease(t->pool, false);
    if (taken == NO_LEASE) abort();
    uint8_t *frame = address_of(t->pool, taken), *transport = frame + TRANSPORT;
    const uint8_t *source = payload > 1460 ? t->super_frame : t->plain_frame;
    memcpy(frame, source, TRANSPORT + 20);
    uint16_t old = load16(source + 28), length = (uint16_t)(40 + payload);
    if (length != old) {
        uint8_t *ip = frame + 26;
        uint32_t sum = (uint16_t)~load16(ip + 10) + (uint32_t)(uint16_t)~old + length;
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        store16(ip + 2, length);
        store16(ip + 10, (uint16_t)~sum);
    }
    store16(transport, FIRST_PORT);
    store32(transport + 4, t->guest_next);
    store32(transport + 8, t->stack_next);
    t->guest_next += (uint32_t)payload;
    take(t, taken, TRANSPORT + 20 + payload);
}

static void receive_from_host(struct twin *t, int bytes) {
    uint32_t taken = lease(t->pool, false);
    if (taken == NO_LEASE || (uint32_t)bytes > t->asked) abort();
    t->asked = 0;
    stack_stream_received(t, 0, 1, taken, 128, bytes);
    perform(t);
}

static void begin_turn(struct twin *t) { t->now += 100000; }

static void finish_turn(struct twin *t) {
    while (stack_run_timers(t)) perform(t);
    stack_finish_turn(t);
    perform(t);
}

void twin_receive_turn(struct twin *t, int count_, int payload) {
    begin_turn(t);
    for (int index = 0; index < count_; index++) receive_segment(t, payload);
    finish_turn(t);
}

void twin_transmit_turn(struct twin *t, int payload) {
    begin_turn(t);
    receive_from_host(t, payload);
    receive_segment(t, 0);
    finish_turn(t);
}

void twin_warm_up(struct twin *t, int payload) {
    for (int turn = 0; turn < 1000 && t->asked < (uint32_t)payload; turn++) twin_transmit_turn(t, (int)t->asked);
}

#ifndef RINGWAY_TWIN_STORAGE_H
#define RINGWAY_TWIN_STORAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// Buffers, leases and the timer wheel.

#define NO_LEASE UINT32_MAX
#define LARGE_SIZE 69632
#define SMALL_SIZE 2048
#define SMALL_BIT 0x800000u

struct lease_state {
    uint32_t holds, next, offset, length, sequence, marks;
    uint64_t sent_at;
};

struct lease_queue {
    uint32_t head, tail;
    int64_t bytes;
};

struct free_list {
    uint32_t *slots;
    int64_t count;
    uint32_t fresh, capacity;
};

struct region {
    uint8_t *large, *small;
    struct lease_state *large_states, *small_states;
};

struct pool {
    struct region *regions;
    int64_t large_count;
    int shard;
    struct free_list large, small;
};

static inline uint8_t *address_of(const struct pool *p, uint32_t lease) {
    const struct region *r = &p->regions[lease >> 24];
    size_t slot = lease & 0x7fffff;
    return lease & SMALL_BIT ? r->small + slot * SMALL_SIZE : r->large + slot * LARGE_SIZE;
}

static inline struct lease_state *state_of(const struct pool *p, uint32_t lease) {
    const struct region *r = &p->regions[lease >> 24];
    size_t slot = lease & 0x7fffff;
    return (lease & SMALL_BIT ? r->small_states : r->large_states) + slot;
}

static inline int64_t size_of(uint32_t lease) { return lease & SMALL_BIT ? SMALL_SIZE : LARGE_SIZE; }
static inline int64_t available(const struct free_list *l) { return l->count + (l->capacity - l->fresh); }

static inline uint32_t lease(struct pool *p, bool small) {
    struct free_list *l = small ? &p->small : &p->large;
    uint32_t slot;
    if (l->count > 0) {
        slot = l->slots[--l->count];
    } else if (l->fresh < l->capacity) {
        slot = l->fresh++;
    } else {
        return NO_LEASE;
    }
    uint32_t taken = (uint32_t)p->shard << 24 | (small ? SMALL_BIT : 0) | slot;
    *state_of(p, taken) = (struct lease_state){.holds = 1, .next = NO_LEASE};
    return taken;
}

static inline uint32_t lease_fitting(struct pool *p, int bytes) {
    if (bytes <= SMALL_SIZE) {
        uint32_t taken = lease(p, true);
        if (taken != NO_LEASE) return taken;
    }
    return lease(p, false);
}

static inline void release(struct pool *p, uint32_t lease) {
    struct lease_state *state = state_of(p, lease);
    if (state->holds == 0) abort();
    if (--state->holds) return;
    if (lease >> 24 != (uint32_t)p->shard) abort();
    struct free_list *l = lease & SMALL_BIT ? &p->small : &p->large;
    l->slots[l->count++] = lease & 0x7fffff;
}

static inline void append(const struct pool *p, struct lease_queue *q, uint32_t lease) {
    struct lease_state *state = state_of(p, lease);
    state->next = NO_LEASE;
    if (q->tail == NO_LEASE) q->head = lease;
    else state_of(p, q->tail)->next = lease;
    q->tail = lease;
    q->bytes += state->length;
}

static inline uint32_t pop_first(const struct pool *p, struct lease_queue *q) {
    uint32_t first = q->head;
    if (first == NO_LEASE) return first;
    struct lease_state *state = state_of(p, first);
    q->head = state->next;
    if (q->head == NO_LEASE) q->tail = NO_LEASE;
    q->bytes -= state->length;
    state->next = NO_LEASE;
    return first;
}

// A wheel of five levels of 64 slots, a tick 2^20 ns.

#define NO_TIMER UINT32_MAX

struct node {
    uint64_t deadline;
    uint32_t next, previous, chain, padding;
};

struct wheel {
    struct node *nodes;
    uint32_t heads[5 * 64];
    uint64_t occupied[5];
    uint64_t current;
    int64_t count;
    uint32_t capacity;
};

static inline uint64_t tick_of(uint64_t deadline) { return (deadline >> 20) + ((deadline & 0xfffff) != 0); }

static inline void wheel_put(struct wheel *w, uint32_t timer, uint32_t chain) {
    struct node *n = &w->nodes[timer];
    n->chain = chain;
    n->previous = NO_TIMER;
    n->next = w->heads[chain];
    if (n->next != NO_TIMER) w->nodes[n->next].previous = timer;
    w->heads[chain] = timer;
    w->occupied[chain / 64] |= 1ull << (chain % 64);
    w->count++;
}

static inline void wheel_link(struct wheel *w, uint32_t timer) {
    uint64_t tick = tick_of(w->nodes[timer].deadline);
    if (tick <= w->current) tick = w->current + 1;
    uint64_t distance = tick - w->current;
    int level = 0;
    while (level < 4 && distance >= 1ull << (6 * (level + 1))) level++;
    if (distance > (1ull << 30) - 1) distance = (1ull << 30) - 1;
    wheel_put(w, timer, (uint32_t)(level * 64) + (uint32_t)(((w->current + distance) >> (6 * level)) & 63));
}

static inline void wheel_unlink(struct wheel *w, uint32_t timer) {
    struct node *n = &w->nodes[timer];
    if (n->previous == NO_TIMER) w->heads[n->chain] = n->next;
    else w->nodes[n->previous].next = n->next;
    if (n->next != NO_TIMER) w->nodes[n->next].previous = n->previous;
    if (w->heads[n->chain] == NO_TIMER) w->occupied[n->chain / 64] &= ~(1ull << (n->chain % 64));
    n->chain = NO_TIMER;
    w->count--;
}

static inline void wheel_schedule(struct wheel *w, uint32_t timer, uint64_t deadline) {
    if (timer >= w->capacity) abort();
    if (w->nodes[timer].chain != NO_TIMER) wheel_unlink(w, timer);
    w->nodes[timer].deadline = deadline;
    wheel_link(w, timer);
}

static inline void wheel_cascade(struct wheel *w, int level) {
    if (level >= 5) return;
    uint32_t position = (w->current >> (6 * level)) & 63;
    if (position == 0) wheel_cascade(w, level + 1);
    uint32_t chain = (uint32_t)level * 64 + position, timer = w->heads[chain];
    w->heads[chain] = NO_TIMER;
    w->occupied[level] &= ~(1ull << position);
    while (timer != NO_TIMER) {
        uint32_t next = w->nodes[timer].next;
        w->nodes[timer].chain = NO_TIMER;
        w->count--;
        if (tick_of(w->nodes[timer].deadline) <= w->current) wheel_put(w, timer, w->current & 63);
        else wheel_link(w, timer);
        timer = next;
    }
}

static inline uint32_t wheel_pop(struct wheel *w, uint64_t now) {
    uint64_t target = now >> 20;
    for (;;) {
        uint32_t timer = w->heads[w->current & 63];
        if (timer != NO_TIMER) {
            wheel_unlink(w, timer);
            if (w->nodes[timer].deadline <= now) return timer;
            wheel_link(w, timer);
            continue;
        }
        if (w->current >= target) return NO_TIMER;
        if (w->count == 0) {
            w->current = target;
            continue;
        }
        uint64_t in_level = w->current & 63;
        uint64_t ahead = in_level == 63 ? 0 : w->occupied[0] & (~0ull << (in_level + 1));
        uint64_t next =
            ahead == 0 ? (w->current | 63) + 1 : (w->current & ~63ull) | (uint64_t)__builtin_ctzll(ahead);
        w->current = next < target ? next : target;
        if ((w->current & 63) == 0) wheel_cascade(w, 1);
    }
}

#endif

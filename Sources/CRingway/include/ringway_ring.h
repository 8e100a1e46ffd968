// Parts of io_uring that liburing 2.3 lacks, or that Swift's importer cannot see: function-like macros, enum-valued
// macros and the newest opcodes. No logic: each function fills one submission entry, accesses fields of a ring, or
// makes one call.
#ifndef RINGWAY_RING_H
#define RINGWAY_RING_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// IORING_OP_READ_MULTISHOT, from Linux 6.7 (include/uapi/linux/io_uring.h).
#define RINGWAY_OP_READ_MULTISHOT 49

static inline uint32_t ringway_setup_flags_preferred(void) {
    return IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
           IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_R_DISABLED;
}
static inline uint32_t ringway_setup_flags_cooperative(void) {
    return IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
           IORING_SETUP_R_DISABLED;
}
static inline uint32_t ringway_setup_flags_minimal(void) {
    return IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_R_DISABLED;
}

static inline int ringway_ring_init(struct io_uring *ring, unsigned entries, unsigned completions, uint32_t flags) {
    struct io_uring_params parameters;
    memset(&parameters, 0, sizeof parameters);
    parameters.flags = flags;
    parameters.cq_entries = completions;
    return io_uring_queue_init_params(entries, ring, &parameters);
}

/// liburing 2.3 declares io_uring_enable_rings but does not export it.
static inline int ringway_enable(struct io_uring *ring) {
    long result = syscall(__NR_io_uring_register, ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
    return result < 0 ? -errno : 0;
}

/// Restricts a ring that is not enabled yet to these operations, submission flags and register calls. Returns zero,
/// or a negated errno, which is -EINVAL if the kernel does not know one of them.
static inline int ringway_restrict(struct io_uring *ring, const uint8_t *operations, unsigned operation_count,
                                   const uint8_t *calls, unsigned call_count, uint8_t flags) {
    struct io_uring_restriction entries[64];
    unsigned count = 0;
    if (operation_count + call_count + 1 > sizeof entries / sizeof *entries) return -E2BIG;
    memset(entries, 0, sizeof entries);
    for (unsigned index = 0; index < operation_count; index++) {
        entries[count].opcode = IORING_RESTRICTION_SQE_OP;
        entries[count++].sqe_op = operations[index];
    }
    for (unsigned index = 0; index < call_count; index++) {
        entries[count].opcode = IORING_RESTRICTION_REGISTER_OP;
        entries[count++].register_op = calls[index];
    }
    entries[count].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
    entries[count++].sqe_flags = flags;
    // liburing 2.3 declares io_uring_register_restrictions but does not export it.
    long result = syscall(__NR_io_uring_register, ring->ring_fd, IORING_REGISTER_RESTRICTIONS, entries, count);
    return result < 0 ? -errno : 0;
}

static inline unsigned ringway_completions_ready(const struct io_uring *ring) { return io_uring_cq_ready(ring); }

/// Copies the oldest completion and frees its entry, so that the operations that its handler submits cannot overflow
/// the queue. Returns false if there is no completion.
static inline bool ringway_completion_take(struct io_uring *ring, uint64_t *tag, int32_t *result, uint32_t *flags) {
    unsigned head = *ring->cq.khead;
    if (head == io_uring_smp_load_acquire(ring->cq.ktail)) return false;
    const struct io_uring_cqe *entry = &ring->cq.cqes[head & *ring->cq.kring_mask];
    *tag = entry->user_data;
    *result = entry->res;
    *flags = entry->flags;
    io_uring_smp_store_release(ring->cq.khead, head + 1);
    return true;
}

/// Whether the kernel has deferred completions, which it posts when the ring's owner makes a system call
/// (IORING_SQ_TASKRUN).
static inline bool ringway_has_task_work(const struct io_uring *ring) {
    return (IO_URING_READ_ONCE(*ring->sq.kflags) & IORING_SQ_TASKRUN) != 0;
}
/// The processor's hint for a busy-waiting loop.
static inline void ringway_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/// Submits queued operations and waits for one completion, for at most `nanoseconds`; a negative value means no
/// timeout.
static inline int ringway_submit_and_wait(struct io_uring *ring, int64_t nanoseconds) {
    struct io_uring_cqe *first;
    if (nanoseconds < 0) return io_uring_submit_and_wait(ring, 1);
    struct __kernel_timespec limit = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
    return io_uring_submit_and_wait_timeout(ring, &first, 1, &limit, NULL);
}

static inline void ringway_prepare_read_multishot(struct io_uring_sqe *entry, int descriptor, uint16_t group) {
    io_uring_prep_rw(RINGWAY_OP_READ_MULTISHOT, entry, descriptor, NULL, 0, 0);
    entry->flags = IOSQE_BUFFER_SELECT;
    entry->buf_group = group;
}
static inline void ringway_prepare_read_select(struct io_uring_sqe *entry, int descriptor, uint32_t length,
                                               uint16_t group) {
    io_uring_prep_rw(IORING_OP_READ, entry, descriptor, NULL, length, 0);
    entry->flags = IOSQE_BUFFER_SELECT;
    entry->buf_group = group;
}
static inline void ringway_prepare_receive_select(struct io_uring_sqe *entry, int descriptor, uint32_t length,
                                                  uint16_t group) {
    io_uring_prep_recv(entry, descriptor, NULL, length, 0);
    entry->flags = IOSQE_BUFFER_SELECT;
    entry->buf_group = group;
}
static inline void ringway_prepare_receive_message_multishot(struct io_uring_sqe *entry, int descriptor,
                                                             struct msghdr *message, uint16_t group) {
    io_uring_prep_recvmsg_multishot(entry, descriptor, message, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = group;
}
static inline void ringway_prepare_receive_multishot(struct io_uring_sqe *entry, int descriptor, uint16_t group) {
    io_uring_prep_recv_multishot(entry, descriptor, NULL, 0, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = group;
}
// Whether the kernel knows IORING_ACCEPT_POLL_FIRST. No feature bit says so, but IORING_FEAT_RECVSEND_BUNDLE (bit 14)
// appeared in the same release. Both are written as numbers, because the headers of some systems' liburing are older.
static inline bool ringway_ring_polls_first(const struct io_uring *ring) { return ring->features & (1U << 14); }

// With `poll_first` the first accept is attempted only when a client waits, which saves an attempt that finds none. A
// client that is already waiting is accepted either way.
static inline void ringway_prepare_accept_multishot(struct io_uring_sqe *entry, int descriptor, bool poll_first) {
    io_uring_prep_multishot_accept(entry, descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (poll_first) entry->ioprio |= 1U << 2;
}
static inline void ringway_prepare_cancel_descriptor(struct io_uring_sqe *entry, int descriptor) {
    io_uring_prep_cancel_fd(entry, descriptor, IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL);
}
// Cancels all operations of a ring that have this tag; returns their number, or a negated errno. If one of them is
// being executed, waits for its completion, for at most `nanoseconds`.
static inline int ringway_cancel_tag_now(int ring, uint64_t tag, uint64_t nanoseconds) {
    struct io_uring_sync_cancel_reg request = {
        .addr = tag,
        .flags = IORING_ASYNC_CANCEL_ALL,
        .timeout = {.tv_sec = (int64_t)(nanoseconds / 1000000000), .tv_nsec = (int64_t)(nanoseconds % 1000000000)},
    };
    long count = syscall(__NR_io_uring_register, ring, IORING_REGISTER_SYNC_CANCEL, &request, 1);
    return count >= 0 ? (int)count : -errno;
}
static inline void ringway_prepare_cancel_tag(struct io_uring_sqe *entry, uint64_t tag) {
    io_uring_prep_cancel64(entry, tag, 0);
}
static inline void ringway_prepare_wake(struct io_uring_sqe *entry, int ring, uint64_t tag) {
    io_uring_prep_msg_ring(entry, ring, 0, tag, 0);
}
static inline void ringway_prepare_poll(struct io_uring_sqe *entry, int descriptor, uint32_t events) {
    io_uring_prep_poll_add(entry, descriptor, events);
}
/// A poll that completes for each event until it is cancelled.
static inline void ringway_prepare_poll_multishot(struct io_uring_sqe *entry, int descriptor, uint32_t events) {
    io_uring_prep_poll_multishot(entry, descriptor, events);
}

/// Suppresses the completion of an operation that succeeds.
static inline void ringway_skip_success(struct io_uring_sqe *entry) { entry->flags |= IOSQE_CQE_SKIP_SUCCESS; }

static inline bool ringway_skips_success(const struct io_uring_sqe *entry) {
    return (entry->flags & IOSQE_CQE_SKIP_SUCCESS) != 0;
}
static inline bool ringway_selects_buffer(const struct io_uring_sqe *entry) {
    return (entry->flags & IOSQE_BUFFER_SELECT) != 0;
}

static inline int ringway_register_buffer_ring(struct io_uring *ring, void *memory, uint32_t entries, uint16_t group) {
    struct io_uring_buf_reg registration;
    memset(&registration, 0, sizeof registration);
    registration.ring_addr = (uint64_t)(uintptr_t)memory;
    registration.ring_entries = entries;
    registration.bgid = group;
    return io_uring_register_buf_ring(ring, &registration, 0);
}
static inline void ringway_buffer_ring_add(struct io_uring_buf_ring *ring, void *address, uint32_t length,
                                           uint16_t identifier, uint32_t mask, uint32_t position) {
    io_uring_buf_ring_add(ring, address, length, identifier, (int)mask, (int)position);
}
static inline void ringway_buffer_ring_advance(struct io_uring_buf_ring *ring, uint32_t count) {
    io_uring_buf_ring_advance(ring, (int)count);
}

static inline bool ringway_probe_supports(const struct io_uring_probe *probe, int operation) {
    return io_uring_opcode_supported(probe, operation);
}
#endif

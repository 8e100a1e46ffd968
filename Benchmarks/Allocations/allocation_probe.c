// Counts heap allocations of the shards of a running ringway. Preloaded (LD_PRELOAD), so that the shipped program
// itself is measured.
//
// A thread is watched from the moment it sets its name to "ringway-shard" (prctl, PR_SET_NAME). The totals are in the
// file RINGWAY_PROBE_RECORD, as 64-bit words in host byte order, readable at any time:
//
//     0  allocations by watched threads          3  threads watched
//     1  bytes they asked for                    4  allocations by every other thread
//     2  blocks they freed                       5  set by the reader: stacks are wanted
//
// While word 5 is set, the stack of each allocation is written to the file RINGWAY_PROBE_STACKS.
#define _GNU_SOURCE
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// The C library's own allocator, by the names that it exports for replacements of the public ones.
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *block);

struct record {
    _Atomic uint64_t allocations, bytes, frees, threads, others, wants_stacks;
};

// Counts here until the record is mapped, and always if there is none.
static struct record unmapped;
static struct record *record = &unmapped;
static int stacks = -1;

// In the static block, so that reading them allocates nothing.
static __thread bool is_watched __attribute__((tls_model("initial-exec")));
static __thread bool is_busy __attribute__((tls_model("initial-exec")));

#define add(word, amount) atomic_fetch_add_explicit(&record->word, (amount), memory_order_relaxed)

__attribute__((constructor)) static void map_record(void) {
    const char *path = getenv("RINGWAY_PROBE_RECORD");
    if (!path) return;
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    void *memory = mmap(NULL, sizeof(struct record), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (memory == MAP_FAILED) return;
    record = memory;
    const char *stack_path = getenv("RINGWAY_PROBE_STACKS");
    if (!stack_path) return;
    stacks = open(stack_path, O_WRONLY | O_APPEND | O_CLOEXEC);
    // The first call loads the unwinder, which allocates.
    void *frames[2];
    backtrace(frames, 2);
}

static void write_stack(const char *what, size_t size) {
    char line[96];
    void *frames[48];
    int count = backtrace(frames, 48);
    int length = snprintf(line, sizeof line, "%s of %zu bytes\n", what, size);
    if (write(stacks, line, (size_t)length) != length) return;
    // The first two frames are the probe's.
    if (count > 2) backtrace_symbols_fd(frames + 2, count - 2, stacks);
    if (write(stacks, "\n", 1) != 1) return;
}

static inline void count(const char *what, size_t size) {
    if (!is_watched) {
        add(others, 1);
        return;
    }
    if (is_busy) return;
    is_busy = true;
    add(allocations, 1);
    add(bytes, size);
    if (stacks >= 0 && atomic_load_explicit(&record->wants_stacks, memory_order_relaxed)) write_stack(what, size);
    is_busy = false;
}

void *malloc(size_t size) {
    count("malloc", size);
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    count("calloc", number * size);
    return __libc_calloc(number, size);
}

void *realloc(void *block, size_t size) {
    count("realloc", size);
    return __libc_realloc(block, size);
}

void *reallocarray(void *block, size_t number, size_t size) {
    size_t total;
    if (__builtin_mul_overflow(number, size, &total)) {
        errno = ENOMEM;
        return NULL;
    }
    count("reallocarray", total);
    return __libc_realloc(block, total);
}

void *memalign(size_t alignment, size_t size) {
    count("memalign", size);
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    count("aligned_alloc", size);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    if (alignment % sizeof(void *) != 0 || alignment == 0 || (alignment & (alignment - 1)) != 0) return EINVAL;
    count("posix_memalign", size);
    void *memory = __libc_memalign(alignment, size);
    if (!memory) return ENOMEM;
    *block = memory;
    return 0;
}

void free(void *block) {
    if (block && is_watched) add(frees, 1);
    __libc_free(block);
}

int prctl(int option, ...) {
    va_list list;
    va_start(list, option);
    unsigned long words[4];
    for (int index = 0; index < 4; index++) words[index] = va_arg(list, unsigned long);
    va_end(list);
    if (option == PR_SET_NAME && !is_watched && strcmp((const char *)words[0], "ringway-shard") == 0) {
        is_watched = true;
        add(threads, 1);
    }
    return (int)syscall(SYS_prctl, option, words[0], words[1], words[2], words[3]);
}

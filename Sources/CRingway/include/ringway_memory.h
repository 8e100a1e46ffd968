// Allocations that report failure (those of Swift end the process instead), limits of memory, and files of numbers.
#ifndef RINGWAY_MEMORY_H
#define RINGWAY_MEMORY_H

#include <stddef.h>
#include <stdlib.h>

/// Allocates memory aligned to `alignment`, a power of two; NULL on failure. Freed by free(3), which Swift's
/// `deallocate` calls.
static inline void *ringway_allocate(size_t bytes, size_t alignment) {
    void *memory = NULL;
    return posix_memalign(&memory, alignment, bytes) == 0 ? memory : NULL;
}

/// The limits of the process's address space and data segment in bytes; -1 without a limit.
long ringway_address_limit(void);
long ringway_data_limit(void);

/// Reads one number from a short file such as /proc/meminfo. The function looks at the numbers that directly follow the
/// first `key`, or at those that begin the file if `key` is NULL, and returns number `index` of them, counted from 0.
/// Returns 0 if there is no such number.
long ringway_field(const char *path, const char *key, int index);

#endif

// Memory from calls that can fail: what Swift allocates itself ends the process where there is none.
#ifndef RINGWAY_MEMORY_H
#define RINGWAY_MEMORY_H

#include <stddef.h>
#include <stdlib.h>

/// Bytes at an address that is a multiple of `alignment`, a power of two; NULL where there are none. They are given back
/// by free(3), which is what Swift's `deallocate` calls.
static inline void *ringway_allocate(size_t bytes, size_t alignment) {
    void *memory = NULL;
    return posix_memalign(&memory, alignment, bytes) == 0 ? memory : NULL;
}

/// The bounds of the process's address space and of its own memory in it; -1 where there is none.
long ringway_address_limit(void);
long ringway_data_limit(void);

/// The number in place `index` of a short file, or of what follows `key` in it; 0 where there is none.
long ringway_field(const char *path, const char *key, int index);

#endif

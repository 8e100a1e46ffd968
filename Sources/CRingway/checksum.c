#include "ringway_checksum.h"

#include <string.h>

// Run-time dispatch needs indirect functions (ifunc), which glibc has and musl has not.
#if defined(__x86_64__) && defined(__GLIBC__)
#define RINGWAY_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define RINGWAY_CLONES
#endif

RINGWAY_CLONES
uint64_t ringway_checksum_partial(const void *data, size_t length, uint64_t initial) {
    const unsigned char *bytes = data;
    // Adding the two halves of `initial` leaves a sum below 2^33. More than 2^31 words of 32 bits can be added to that
    // before 64 bits overflow, so the loop needs no carries.
    uint64_t sum = (initial & 0xffffffff) + (initial >> 32);
    size_t words = length / 4;
    for (size_t index = 0; index < words; index++) {
        uint32_t word;
        memcpy(&word, bytes + 4 * index, 4);
        sum += word;
    }
    size_t rest = length & 3;
    if (rest) {
        uint32_t word = 0;
        memcpy(&word, bytes + 4 * words, rest);
        sum += word;
    }
    return sum;
}

RINGWAY_CLONES
uint64_t ringway_checksum_copy(void *restrict target, const void *restrict data, size_t length, uint64_t initial) {
    const unsigned char *bytes = data;
    unsigned char *copy = target;
    uint64_t sum = (initial & 0xffffffff) + (initial >> 32);
    size_t words = length / 4;
    for (size_t index = 0; index < words; index++) {
        uint32_t word;
        memcpy(&word, bytes + 4 * index, 4);
        memcpy(copy + 4 * index, &word, 4);
        sum += word;
    }
    size_t rest = length & 3;
    if (rest) {
        uint32_t word = 0;
        memcpy(&word, bytes + 4 * words, rest);
        memcpy(copy + 4 * words, &word, rest);
        sum += word;
    }
    return sum;
}

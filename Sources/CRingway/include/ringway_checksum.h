// The Internet checksum's inner loop (RFC 1071). On x86-64 with glibc it is compiled with and without AVX2, and the
// loader chooses.
#ifndef RINGWAY_CHECKSUM_H
#define RINGWAY_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

// Adds `length` bytes, read as 32-bit words in host byte order, to `initial`. An incomplete last word is padded with
// zero bytes. The result is congruent modulo 65535 to the sum of 16-bit words; the caller folds it.
uint64_t ringway_checksum_partial(const void *data, size_t length, uint64_t initial);

// Like `ringway_checksum_partial`, but also copies the bytes to `target`, which must not overlap `data`. Each byte is
// read only once.
uint64_t ringway_checksum_copy(void *target, const void *data, size_t length, uint64_t initial);

#endif

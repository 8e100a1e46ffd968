#ifndef RINGWAY_FILTER_H
#define RINGWAY_FILTER_H

#include <stddef.h>
#include <stdint.h>

/// A capture filter in tcpdump's language, compiled by the system's libpcap. The library is loaded on first use, so
/// that only filters depend on it.
typedef struct ringway_filter ringway_filter;

/// Compiles an expression for ethernet frames of at most `snap_length` bytes.
///
/// Returns NULL on failure, with a zero-terminated reason of at most `size` bytes in `reason`.
ringway_filter *ringway_filter_compile(const char *expression, int snap_length, char *reason, size_t size);

/// Whether a frame of `length` bytes passes the filter; its first `captured` bytes are at `frame`.
int ringway_filter_matches(const ringway_filter *filter, const void *frame, uint32_t length, uint32_t captured);

void ringway_filter_free(ringway_filter *filter);

#endif

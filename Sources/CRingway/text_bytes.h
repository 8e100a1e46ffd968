// For the files of this module that convert text to the bytes of a path (ringway_text.h).
#ifndef RINGWAY_TEXT_BYTES_H
#define RINGWAY_TEXT_BYTES_H

#include <errno.h>
#include <stdlib.h>

/// Frees the bytes of a system call's paths, keeps the call's errno, and returns its result.
static inline int finish(int result, char *first, char *second) {
    int reason = errno;
    free(first);
    free(second);
    errno = reason;
    return result;
}

#endif

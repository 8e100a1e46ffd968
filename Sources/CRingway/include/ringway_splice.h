// Pipes and splices: calls that the C library shows only to programs that define _GNU_SOURCE before any header, which an
// importer of this one cannot promise, and the variadic fcntl.
// No logic: each function makes one system call.
#ifndef RINGWAY_SPLICE_H
#define RINGWAY_SPLICE_H

#include <stddef.h>
#include <sys/types.h>

/// A non-blocking, close-on-exec pipe: the end to read from, then the end to write to.
int ringway_pipe(int ends[2]);

/// Asks for room for so many bytes in a pipe. Returns the room there is now, or -1.
int ringway_set_pipe_size(int pipe, int size);

/// Moves bytes between a pipe and a socket, whichever way, as references to the kernel's pages. Does not wait. Returns
/// how many, or a negated errno.
ssize_t ringway_splice(int from, int to, size_t count);

int ringway_set_nonblocking(int descriptor);
#endif

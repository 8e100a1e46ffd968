// Pipes and splices. Swift cannot import the variadic fcntl. The C library declares the other calls only if _GNU_SOURCE
// is defined before the first header, which an importer of this header cannot guarantee. No logic: each function but
// the last makes one system call.
#ifndef RINGWAY_SPLICE_H
#define RINGWAY_SPLICE_H

#include <stddef.h>
#include <sys/types.h>

/// Makes a non-blocking, close-on-exec pipe: `ends[0]` is read, `ends[1]` is written.
int ringway_pipe(int ends[2]);

/// Sets the size of a pipe in bytes. Returns the actual size, or -1.
int ringway_set_pipe_size(int pipe, int size);

/// Moves bytes between a pipe and a socket, in either direction, as references to the kernel's pages. Does not block
/// if the socket is non-blocking. Returns the number of bytes, or a negated errno.
ssize_t ringway_splice(int from, int to, size_t count);

/// Sets O_NONBLOCK, and keeps the other file status flags. Returns zero, or -1 with errno set.
int ringway_set_nonblocking(int descriptor);
#endif

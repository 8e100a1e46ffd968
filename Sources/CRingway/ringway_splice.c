// Pipes and splices; documented in the header.
#define _GNU_SOURCE
#include "ringway_splice.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int ringway_pipe(int ends[2]) { return pipe2(ends, O_NONBLOCK | O_CLOEXEC); }

int ringway_set_pipe_size(int pipe, int size) { return fcntl(pipe, F_SETPIPE_SZ, size); }

ssize_t ringway_splice(int from, int to, size_t count) {
    ssize_t moved = splice(from, NULL, to, NULL, count, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    return moved < 0 ? -(ssize_t)errno : moved;
}

int ringway_set_nonblocking(int descriptor) {
    int flags = fcntl(descriptor, F_GETFL);
    return flags < 0 ? -1 : fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
}

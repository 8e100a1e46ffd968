#include "cold.h"

#include <stdio.h>
#include <stdlib.h>

static _Noreturn void unexpected(int what) {
    fprintf(stderr, "twin: the connection is disturbed (%d)\n", what);
    abort();
}

int cold_parse(struct twin *twin, int reason) {
    (void)twin;
    if (reason) unexpected(reason);
    return reason;
}

void cold_segment(struct twin *twin, struct connection *connection, int what) {
    (void)twin, (void)connection;
    if (what) unexpected(what);
}

bool cold_payload(struct twin *twin, struct connection *connection, uint32_t lease, int what) {
    (void)twin, (void)connection, (void)lease;
    if (what) unexpected(what);
    return false;
}

uint32_t cold_bytes(struct twin *twin, struct connection *connection, int what) {
    (void)twin, (void)connection;
    if (what) unexpected(what);
    return 0;
}

#ifndef RINGWAY_TWIN_COLD_H
#define RINGWAY_TWIN_COLD_H

#include <stdbool.h>
#include <stdint.h>

// What no frame of an undisturbed connection meets. Defined elsewhere and returning, so that the compiler has to keep
// whatever it would have to keep around the real thing.

struct twin;
struct connection;

int cold_parse(struct twin *twin, int reason);
void cold_segment(struct twin *twin, struct connection *connection, int what);
bool cold_payload(struct twin *twin, struct connection *connection, uint32_t lease, int what);
uint32_t cold_bytes(struct twin *twin, struct connection *connection, int what);

#endif

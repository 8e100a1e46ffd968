#ifndef RINGWAY_TWIN_COLD_H
#define RINGWAY_TWIN_COLD_H

#include <stdbool.h>
#include <stdint.h>

// Code that no frame of an undisturbed connection reaches. Defined in another file and returning, so that the compiler
// must keep the same state around the calls as around the real functions.

struct twin;
struct connection;

int cold_parse(struct twin *twin, int reason);
void cold_segment(struct twin *twin, struct connection *connection, int what);
bool cold_payload(struct twin *twin, struct connection *connection, uint32_t lease, int what);
uint32_t cold_bytes(struct twin *twin, struct connection *connection, int what);

#endif

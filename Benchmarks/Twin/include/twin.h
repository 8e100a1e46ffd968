#ifndef RINGWAY_TWIN_H
#define RINGWAY_TWIN_H

#include <stddef.h>

/// The path of an established TCP connection's frames, written in plain C: the difference to Ringway's own path is the
/// cost of Swift. The same frames, checks, lookups, counters and effects, in the same order; paths that no frame of an
/// undisturbed connection takes end in stub functions.
struct twin;

/// A stack with one established connection, and a simulated guest and host.
struct twin *twin_create(void);
void twin_destroy(struct twin *twin);

/// One turn in which `count` segments of `payload` bytes arrive from the guest.
void twin_receive_turn(struct twin *twin, int count, int payload);

/// One turn in which `payload` bytes come from the host, and the guest acknowledges them.
void twin_transmit_turn(struct twin *twin, int payload);

/// Opens the congestion window until the stack requests `payload` bytes at a time from the host.
void twin_warm_up(struct twin *twin, int payload);

size_t twin_bytes_to_host(const struct twin *twin);
size_t twin_frames_to_guest(const struct twin *twin);

#endif

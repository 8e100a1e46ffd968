#ifndef RINGWAY_TWIN_H
#define RINGWAY_TWIN_H

#include <stddef.h>

/// The path of an established TCP connection's frames, written in C as a C programmer would: what Swift costs is what
/// Ringway's own path takes more than this. The same frames, checks, look-ups, counters and effects, in the same order;
/// what a frame of an undisturbed connection never meets ends in functions that are only declared to be there.
struct twin;

/// A stack with one established connection, and the guest and host that pump it.
struct twin *twin_create(void);
void twin_destroy(struct twin *twin);

/// One turn in which `count` segments of `payload` bytes arrive from the guest.
void twin_receive_turn(struct twin *twin, int count, int payload);

/// One turn in which `payload` bytes come from the host, and the guest acknowledges them.
void twin_transmit_turn(struct twin *twin, int payload);

/// Opens the congestion window until the host is asked for `payload` bytes at a time.
void twin_warm_up(struct twin *twin, int payload);

size_t twin_bytes_to_host(const struct twin *twin);
size_t twin_frames_to_guest(const struct twin *twin);

#endif

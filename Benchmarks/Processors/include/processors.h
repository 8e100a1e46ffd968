#ifndef RINGWAY_PROCESSORS_H
#define RINGWAY_PROCESSORS_H

/// Keeps the calling thread on one processor. Returns zero, or the `errno` that says why not.
int pin_thread(int processor);

#endif

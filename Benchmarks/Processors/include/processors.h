#ifndef RINGWAY_PROCESSORS_H
#define RINGWAY_PROCESSORS_H

/// Pins the calling thread to one processor. Returns zero, or an `errno`.
int pin_thread(int processor);

/// Copies blocks of 64 KiB through memory larger than any cache, for `nanoseconds`. Returns bytes per second.
double copy_rate(long nanoseconds);

/// Makes empty system calls, for `nanoseconds`. Returns nanoseconds per call.
double system_call_time(long nanoseconds);

#endif

#ifndef RINGWAY_PROCESSORS_H
#define RINGWAY_PROCESSORS_H

/// Keeps the calling thread on one processor. Returns zero, or the `errno` that says why not.
int pin_thread(int processor);

/// Copies blocks of 64 KiB through memory that no cache holds, for so many nanoseconds. Returns bytes per second.
double copy_rate(long nanoseconds);

/// Makes system calls that do nothing, for so many nanoseconds. Returns nanoseconds for one.
double system_call_time(long nanoseconds);

#endif

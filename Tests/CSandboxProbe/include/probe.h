// A system call by its number, as one makes it who has taken a thread over.
#ifndef SANDBOX_PROBE_H
#define SANDBOX_PROBE_H

/// The call's result, or a negated errno.
long probe_system_call(long number, const unsigned long arguments[6]);

#endif

// System calls by which a process gives up privileges for good. Each returns zero, or -1 with errno, unless its comment
// says otherwise.
#ifndef RINGWAY_CONTAINMENT_H
#define RINGWAY_CONTAINMENT_H

#include <stdint.h>

/// Keeps the calling thread, and all processes and threads that it starts, from gaining privileges by execve(2)
/// (PR_SET_NO_NEW_PRIVS).
int ringway_forbid_new_privileges(void);

/// Keeps other processes of the same user from tracing this one, and from reading its memory and descriptors by /proc
/// (PR_SET_DUMPABLE).
int ringway_forbid_tracing(void);

/// The calling thread's permitted capabilities, a bit for each (capabilities(7)).
uint64_t ringway_permitted_capabilities(void);

/// Removes all capabilities but `kept` from the calling thread's permitted, effective and bounding sets, and empties
/// its inheritable and ambient sets. The bounding set stays as it is if the thread lacks CAP_SETPCAP.
int ringway_keep_capabilities(uint64_t kept);

/// The calling thread's number (gettid(2)).
int32_t ringway_thread_number(void);

/// Whether the kernel has an action of seccomp filters (SECCOMP_GET_ACTION_AVAIL).
_Bool ringway_has_seccomp_action(uint32_t action);

/// Installs a seccomp filter of `count` instructions (struct sock_filter) for the calling thread, or for all threads of
/// the process. The process must have forbidden new privileges before.
int ringway_load_filter(const void *instructions, uint16_t count, _Bool for_all_threads);

#endif

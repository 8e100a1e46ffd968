// System calls by which a process gives up privileges for good. Each returns zero, or -1 with errno, unless it says
// otherwise.
#ifndef RINGWAY_CONTAINMENT_H
#define RINGWAY_CONTAINMENT_H

#include <stdint.h>

/// Neither this process nor its children gain privileges by executing a program (PR_SET_NO_NEW_PRIVS).
int ringway_forbid_new_privileges(void);

/// Other processes of the same user can no longer trace this one, or read its memory and descriptors by /proc
/// (PR_SET_DUMPABLE).
int ringway_forbid_tracing(void);

/// The calling thread's permitted capabilities, a bit for each (capabilities(7)).
uint64_t ringway_permitted_capabilities(void);

/// Keeps only the given ones of the calling thread's permitted and effective capabilities, empties the inheritable and
/// ambient sets, and removes all others from the bounding set, if the thread may change that set.
int ringway_keep_capabilities(uint64_t kept);

/// The calling thread's number (gettid(2)).
int32_t ringway_thread_number(void);

/// Whether the kernel has an action of seccomp filters (SECCOMP_GET_ACTION_AVAIL).
_Bool ringway_has_seccomp_action(uint32_t action);

#endif

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "ringway_containment.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int ringway_forbid_new_privileges(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }

int ringway_forbid_tracing(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }

static int get_capabilities(struct __user_cap_data_struct data[2]) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    return (int)syscall(SYS_capget, &header, data);
}

uint64_t ringway_permitted_capabilities(void) {
    struct __user_cap_data_struct data[2] = {{0}};
    if (get_capabilities(data) != 0) return 0;
    return (uint64_t)data[1].permitted << 32 | data[0].permitted;
}

int ringway_keep_capabilities(uint64_t kept) {
    for (int capability = 0; capability < 64; capability++) {
        if ((kept >> capability & 1) != 0) continue;
        // This fails with EPERM without CAP_SETPCAP, and with EINVAL for numbers above this kernel's last capability:
        // then it fails for all further numbers, too.
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) break;
    }
    // Kernels before 4.3 have no ambient set.
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct data[2] = {{0}};
    if (get_capabilities(data) != 0) return -1;
    for (int half = 0; half < 2; half++) {
        data[half].permitted &= (uint32_t)(kept >> (32 * half));
        data[half].effective &= data[half].permitted;
        data[half].inheritable = 0;
    }
    return (int)syscall(SYS_capset, &header, data);
}

int32_t ringway_thread_number(void) { return (int32_t)syscall(SYS_gettid); }

_Bool ringway_has_seccomp_action(uint32_t action) {
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

int ringway_load_filter(const void *instructions, uint16_t count, _Bool for_all_threads) {
    struct sock_fprog program = {.len = count, .filter = (struct sock_filter *)instructions};
    // Speculation is not restricted further: code in this process reads all of its memory anyway.
    unsigned flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW | (for_all_threads ? SECCOMP_FILTER_FLAG_TSYNC : 0);
    long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
    // A positive result is the number of a thread whose own filter is not an ancestor of this thread's.
    if (result > 0) errno = ESRCH;
    return result == 0 ? 0 : -1;
}

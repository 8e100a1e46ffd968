// Processes and namespaces; documented in the header.
#include "ringway_namespace.h"

#include "ringway_text.h"
#include "text_bytes.h"

#include <stdio.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/sockios.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

// The number of pidfd_open (Linux 5.3) on x86-64 and arm64, which older headers lack.
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
// The calls for detached mounts are from Linux 5.2, and mount_setattr is from 5.12.
#ifndef SYS_open_tree
#define SYS_open_tree 428
#define SYS_move_mount 429
#define SYS_fsopen 430
#define SYS_fsconfig 431
#define SYS_fsmount 432
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
// The call close_range is from Linux 5.9.
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

// --- Processes ---------------------------------------------------------------------------------------------------

pid_t ringway_fork(void) { return fork(); }

pid_t ringway_fork_sibling(void) {
    // The order of the arguments after the flags differs between architectures; all of them are zero.
    return (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
}

void ringway_reset_crash_signals(void) {
    static const int signals[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGQUIT, SIGSEGV, SIGTRAP};
    for (size_t index = 0; index < sizeof signals / sizeof signals[0]; index++) {
        struct sigaction action;
        if (sigaction(signals[index], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            signal(signals[index], SIG_DFL);
    }
}

int ringway_new_session(void) { return setsid(); }

int ringway_close_range(unsigned first, unsigned last) { return (int)syscall(SYS_close_range, first, last, 0); }

void ringway_execute(char *const arguments[]) { execvp(arguments[0], arguments); }

int ringway_die_with_parent(int signal) { return prctl(PR_SET_PDEATHSIG, signal); }

int ringway_process_descriptor(pid_t process) {
    return (int)syscall(SYS_pidfd_open, process, 0);
}

enum ringway_change ringway_take_change(pid_t child, bool wait, int *value) {
    siginfo_t information;
    memset(&information, 0, sizeof information);
    int options = wait ? WEXITED : WEXITED | WSTOPPED | WCONTINUED | WNOHANG;
    if (waitid(P_PID, (id_t)child, &information, options) < 0) return ringway_change_failed;
    *value = information.si_status;
    if (information.si_pid == 0) return ringway_change_none;
    switch (information.si_code) {
        case CLD_EXITED: return ringway_change_exited;
        case CLD_KILLED:
        case CLD_DUMPED: return ringway_change_signalled;
        case CLD_STOPPED:
        case CLD_TRAPPED: return ringway_change_stopped;
        case CLD_CONTINUED: return ringway_change_continued;
        default: return ringway_change_none;
    }
}

int ringway_processor_count(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) < 0) return (int)sysconf(_SC_NPROCESSORS_ONLN);
    return CPU_COUNT(&set);
}

void ringway_never_preempt(void) {
    struct sched_param none = {0};
    sched_setscheduler(0, SCHED_BATCH, &none);
}

int ringway_file_limit(uint64_t *soft, uint64_t *hard) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -1;
    *soft = limit.rlim_cur;
    *hard = limit.rlim_max;
    return 0;
}

int ringway_set_file_limit(uint64_t soft, uint64_t hard) {
    struct rlimit limit = {.rlim_cur = soft, .rlim_max = hard};
    return setrlimit(RLIMIT_NOFILE, &limit);
}

void ringway_grow_descriptor_table(int count) {
    int one = eventfd(0, EFD_CLOEXEC);
    if (one < 0) return;
    int last = fcntl(one, F_DUPFD_CLOEXEC, count - 1);
    if (last >= 0) close(last);
    close(one);
}

void ringway_keep_little_memory(void) {
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
    mallopt(M_TRIM_THRESHOLD, 128 << 10);
#endif
}

void ringway_return_memory(void) {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

// --- Signals -----------------------------------------------------------------------------------------------------

void ringway_message_signals(sigset_t *set) {
    sigemptyset(set);
    static const int numbers[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM,
                                  SIGWINCH, SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU, SIGPWR,  SIGCHLD};
    for (unsigned index = 0; index < sizeof numbers / sizeof numbers[0]; index++) sigaddset(set, numbers[index]);
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++) sigaddset(set, number);
}

int ringway_block_signals(const sigset_t *set, sigset_t *previous) {
    return pthread_sigmask(SIG_BLOCK, set, previous);
}

int ringway_restore_signals(const sigset_t *previous) {
    return pthread_sigmask(SIG_SETMASK, previous, NULL);
}

int ringway_signal_descriptor(const sigset_t *set) {
    return signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
}

bool ringway_take_signal(int descriptor, int *number, bool *from_kernel) {
    struct signalfd_siginfo information;
    if (read(descriptor, &information, sizeof information) != sizeof information) return false;
    *number = (int)information.ssi_signo;
    *from_kernel = information.ssi_code == SI_KERNEL;
    return true;
}

bool ringway_ignore_signal(int number, bool ignore) {
    struct sigaction action, previous;
    memset(&action, 0, sizeof action);
    action.sa_handler = ignore ? SIG_IGN : SIG_DFL;
    return sigaction(number, &action, &previous) == 0 && previous.sa_handler == SIG_IGN;
}

// --- Namespaces and mounts ---------------------------------------------------------------------------------------

int ringway_unshare(int kinds) { return unshare(kinds); }

int ringway_join_namespace(int descriptor, int kind) { return setns(descriptor, kind); }

int ringway_kind_user(void) { return CLONE_NEWUSER; }

int ringway_kind_network(void) { return CLONE_NEWNET; }

int ringway_kind_mount(void) { return CLONE_NEWNS; }

int ringway_owning_user_namespace(int descriptor) { return ioctl(descriptor, NS_GET_USERNS); }

int ringway_mount_subordinate(const char *path) {
    char *bytes = ringway_text_bytes(path);
    return finish(mount(NULL, bytes, NULL, MS_SLAVE | MS_REC, NULL), bytes, NULL);
}

int ringway_mount_bind_all(const char *source, const char *target) {
    char *first = ringway_text_bytes(source), *second = ringway_text_bytes(target);
    return finish(mount(first, second, NULL, MS_BIND | MS_REC, NULL), first, second);
}

int ringway_mount_memory(void) {
    // Older headers lack these constants. For fsopen, 1 is FSOPEN_CLOEXEC. For fsconfig, 1 is FSCONFIG_SET_STRING and 6
    // is FSCONFIG_CMD_CREATE. For fsmount, 1 is FSMOUNT_CLOEXEC, and 2, 4 and 8 are MOUNT_ATTR_NOSUID, NODEV and
    // NOEXEC.
    int context = (int)syscall(SYS_fsopen, "tmpfs", 1);
    if (context < 0) return -1;
    int mount = -1;
    if (syscall(SYS_fsconfig, context, 1, "source", "ringway", 0) == 0 &&
        syscall(SYS_fsconfig, context, 1, "mode", "0755", 0) == 0 &&
        syscall(SYS_fsconfig, context, 1, "size", "1m", 0) == 0 &&
        syscall(SYS_fsconfig, context, 6, NULL, NULL, 0) == 0)
        mount = (int)syscall(SYS_fsmount, context, 1, 2 | 4 | 8);
    int reason = errno;
    close(context);
    errno = reason;
    return mount;
}

int ringway_mount_copy(int directory, const char *path, bool whole) {
    // 1 is OPEN_TREE_CLONE, and 0x8000 is AT_RECURSIVE.
    unsigned flags = 1u | O_CLOEXEC | AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | (whole ? 0x8000u : 0u);
    char *bytes = ringway_text_bytes(path);
    return finish((int)syscall(SYS_open_tree, directory, bytes, flags), bytes, NULL);
}

int ringway_mount_place(int mount, int directory, const char *path) {
    // 4 is MOVE_MOUNT_F_EMPTY_PATH, and 0x40 is MOVE_MOUNT_T_EMPTY_PATH.
    char *bytes = ringway_text_bytes(path);
    return finish((int)syscall(SYS_move_mount, mount, "", directory, bytes, 4u | 0x40u), bytes, NULL);
}

int ringway_mount_protect(int mount) {
    // A struct mount_attr: attr_set is MOUNT_ATTR_RDONLY, and the other members are zero.
    uint64_t attributes[4] = {1, 0, 0, 0};
    return (int)syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH, attributes, sizeof attributes);
}

int ringway_unmount_directory(int directory) {
    int here = open(".", O_PATH | O_CLOEXEC);
    int result = fchdir(directory);
    if (result == 0) {
        result = umount2(".", MNT_DETACH);
        int reason = errno;
        if ((here < 0 || fchdir(here) < 0) && chdir("/") < 0) {
            if (result == 0) reason = errno;
            result = -1;
        }
        errno = reason;
    }
    if (here >= 0) close(here);
    return result;
}

int ringway_unmount(int mount) {
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", mount);
    return umount2(path, MNT_DETACH);
}

int ringway_unmount_entry(const char *path) {
    char *bytes = ringway_text_bytes(path);
    return finish(umount2(bytes, MNT_DETACH | UMOUNT_NOFOLLOW), bytes, NULL);
}

uint64_t ringway_mount_number(int descriptor) {
    struct statx status;
    // 0x1000 is STATX_MNT_ID, from Linux 5.8.
    if (statx(descriptor, "", AT_EMPTY_PATH, 0x1000u, &status) < 0 || !(status.stx_mask & 0x1000u)) return 0;
    return status.stx_mnt_id;
}

int ringway_open(const char *path, int flags, mode_t mode) {
    char *bytes = ringway_text_bytes(path);
    return finish(open(bytes, flags | O_CLOEXEC, mode), bytes, NULL);
}

int ringway_open_path(const char *path) { return ringway_open(path, O_PATH, 0); }

int ringway_open_entry(int directory, const char *path) {
    char *bytes = ringway_text_bytes(path);
    return finish(openat(directory, bytes, O_PATH | O_NOFOLLOW | O_CLOEXEC), bytes, NULL);
}

int ringway_open_directory(int directory, const char *path) {
    char *bytes = ringway_text_bytes(path);
    return finish(openat(directory, bytes, O_PATH | O_DIRECTORY | O_CLOEXEC), bytes, NULL);
}

int ringway_close_on_exec(int descriptor) { return fcntl(descriptor, F_SETFD, FD_CLOEXEC); }

bool ringway_is_open(int descriptor) { return fcntl(descriptor, F_GETFD) >= 0; }

int ringway_file_identity(const char *path, uint64_t *device, uint64_t *number) {
    struct stat status;
    char *bytes = ringway_text_bytes(path);
    if (finish(stat(bytes, &status), bytes, NULL) < 0) return -1;
    *device = status.st_dev;
    *number = status.st_ino;
    return 0;
}

int ringway_entry_identity(int directory, const char *path, uint64_t *device, uint64_t *number) {
    struct stat status;
    char *bytes = ringway_text_bytes(path);
    if (finish(fstatat(directory, bytes, &status, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW), bytes, NULL) < 0) return -1;
    *device = status.st_dev;
    *number = status.st_ino;
    return 0;
}

int ringway_event_descriptor(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

// --- Messages with descriptors -----------------------------------------------------------------------------------

int ringway_accept(int descriptor) { return accept4(descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC); }

int ringway_unsent(int descriptor) {
    int count = 0;
    return ioctl(descriptor, SIOCOUTQ, &count) == 0 ? count : 0;
}

int ringway_message_pair(int ends[2]) {
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
}

ssize_t ringway_send_message(int socket, const void *bytes, size_t length, const int *descriptors,
                                           size_t count) {
    char control[CMSG_SPACE(sizeof(int) * RINGWAY_MAXIMUM_DESCRIPTORS)] __attribute__((aligned(8)));
    struct iovec vector = {.iov_base = (void *)bytes, .iov_len = length};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    if (count > RINGWAY_MAXIMUM_DESCRIPTORS) {
        errno = EINVAL;
        return -1;
    }
    if (count > 0) {
        memset(control, 0, sizeof control);
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * count);
        memcpy(CMSG_DATA(header), descriptors, sizeof(int) * count);
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}

ssize_t ringway_receive_message(int socket, void *bytes, size_t capacity, int *descriptors,
                                              size_t *count) {
    char control[CMSG_SPACE(sizeof(int) * RINGWAY_MAXIMUM_DESCRIPTORS)] __attribute__((aligned(8)));
    struct iovec vector = {.iov_base = bytes, .iov_len = capacity};
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    *count = 0;
    ssize_t received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (received < 0) return received;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        if (header->cmsg_len < CMSG_LEN(0)) continue;
        size_t arrived = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        if (arrived > RINGWAY_MAXIMUM_DESCRIPTORS - *count) arrived = RINGWAY_MAXIMUM_DESCRIPTORS - *count;
        memcpy(descriptors + *count, CMSG_DATA(header), arrived * sizeof(int));
        *count += arrived;
    }
    if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        // If MSG_CTRUNC is set although `descriptors` has room for more, the process has reached its limit of
        // descriptors.
        bool lacks = !(message.msg_flags & MSG_TRUNC) && *count < RINGWAY_MAXIMUM_DESCRIPTORS;
        for (size_t index = 0; index < *count; index++) close(descriptors[index]);
        *count = 0;
        errno = lacks ? EMFILE : EMSGSIZE;
        return -1;
    }
    return received;
}

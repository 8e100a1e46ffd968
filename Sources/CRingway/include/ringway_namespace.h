// System calls for processes and namespaces: those that Swift's importer refuses (fork), cannot import (variadic ioctl
// and prctl, enum-valued macros, control messages) or cannot express (siginfo's unions). No logic: each function
// makes one system call or a fixed sequence of them, or reads or writes one structure.
#ifndef RINGWAY_NAMESPACE_H
#define RINGWAY_NAMESPACE_H

// _GNU_SOURCE must be defined before the first system header of the module, because that header fixes which
// declarations are visible in all later ones.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// --- Processes ---------------------------------------------------------------------------------------------------

/// Calls fork(2), which Swift marks unavailable, because the child has only the calling thread. The caller must fork
/// before it starts any thread.
pid_t ringway_fork(void);

/// Forks a sibling: a child of the caller's parent (clone(2), CLONE_PARENT). The C library does not learn of this fork.
/// So the caller must have only one thread, and the new process may only make plain system calls.
pid_t ringway_fork_sibling(void);

/// Restores the default action of crash signals, unless they are ignored.
void ringway_reset_crash_signals(void);

/// Starts a new session, which has no controlling terminal (setsid(2)).
int ringway_new_session(void);

/// Closes every descriptor from `first` to `last`.
int ringway_close_range(unsigned first, unsigned last);

/// Replaces the program, searching PATH as a shell does. Returns only on failure, with errno set.
void ringway_execute(char *const arguments[]);

/// Makes the kernel send `signal` to the calling process when the thread that forked it ends.
int ringway_die_with_parent(int signal);

/// A descriptor that becomes readable when the process ends.
int ringway_process_descriptor(pid_t process);

/// A state change of a child.
enum ringway_change {
    ringway_change_failed,     // errno says why
    ringway_change_none,
    ringway_change_exited,     // value: the exit status
    ringway_change_signalled,  // value: the signal that ended it
    ringway_change_stopped,    // value: the signal that stopped it
    ringway_change_continued,
};

/// Returns the next state change of a child. With `wait`, waits for the child's end, and returns no other change.
enum ringway_change ringway_take_change(pid_t child, bool wait, int *value);

/// The number of processors on which the calling thread may run.
int ringway_processor_count(void);

/// Keeps the calling thread from preempting other threads when it wakes up (sched(7), SCHED_BATCH).
void ringway_never_preempt(void);

/// The soft and the hard limit of open descriptors.
int ringway_file_limit(uint64_t *soft, uint64_t *hard);

int ringway_set_file_limit(uint64_t soft, uint64_t hard);

/// Enlarges the table of open descriptors to `count`. The kernel also enlarges it on demand, but in a process with
/// several threads each growth waits for an RCU grace period.
void ringway_grow_descriptor_table(int count);

/// Fixes the allocator's thresholds at 128 KiB (mallopt(3)), so that larger freed blocks return to the system at
/// once. By default the thresholds grow to the size of the largest block that was ever freed. No effect if the C
/// library lacks these options.
void ringway_keep_little_memory(void);

/// Returns free memory between used blocks to the system (malloc_trim(3)), if the C library supports it.
void ringway_return_memory(void);

// --- Signals -----------------------------------------------------------------------------------------------------

/// The signals by which other processes, the terminal and timers notify a program, such as HUP, TERM, CHLD and the
/// real-time signals. Crash signals (SEGV and the like), PIPE, KILL and STOP are not in the set.
void ringway_message_signals(sigset_t *set);

/// Blocks the set in the calling thread and in those that it starts later; `previous` gets the mask to restore.
int ringway_block_signals(const sigset_t *set, sigset_t *previous);

int ringway_restore_signals(const sigset_t *previous);

/// A non-blocking descriptor from which blocked signals are read.
int ringway_signal_descriptor(const sigset_t *set);

/// Reads one pending signal; returns false if there is none. `from_kernel` is true for the terminal's signals
/// (SI_KERNEL), and false for those that a process has sent.
bool ringway_take_signal(int descriptor, int *number, bool *from_kernel);

/// Makes a signal ignored, or gives it its default action. Returns whether it was ignored before.
bool ringway_ignore_signal(int number, bool ignore);

// --- Namespaces and mounts ---------------------------------------------------------------------------------------

int ringway_unshare(int kinds);
int ringway_join_namespace(int descriptor, int kind);

int ringway_kind_user(void);
int ringway_kind_network(void);
int ringway_kind_mount(void);

/// The user namespace that owns the namespace of `descriptor`.
int ringway_owning_user_namespace(int descriptor);

/// Makes the mounts at and below `path` slaves (mount_namespaces(7)): mounts of the host still propagate into this
/// namespace, but none propagate out of it.
int ringway_mount_subordinate(const char *path);
/// Bind-mounts the tree `source`, with its submounts, at `target`.
int ringway_mount_bind_all(const char *source, const char *target);

// Detached mounts as descriptors: system calls of Linux 5.2, and of 5.12 for ringway_mount_protect. An empty `path`
// stands for the descriptor `directory`; a symbolic link as the last component of a path is not followed.

/// Makes a detached tmpfs of at most 1 MiB.
int ringway_mount_memory(void);
/// A clone of the mount at a path; `whole` includes its submounts. Before Linux 6.15 the original must be attached in
/// the caller's namespace.
int ringway_mount_copy(int directory, const char *path, bool whole);
/// Attaches a detached mount at `path`.
int ringway_mount_place(int mount, int directory, const char *path);
/// Makes one mount read-only, independent of other mounts of its file system.
int ringway_mount_protect(int mount);
/// Detaches the mount whose root is `directory`; open files of the mount stay usable.
int ringway_unmount_directory(int directory);
/// Detaches the mount that `mount` refers to; the root of the mount may be a directory or a file.
int ringway_unmount(int mount);
/// Detaches the mount on the file at `path`.
int ringway_unmount_entry(const char *path);
/// The mount ID of a descriptor, as in /proc/PID/mountinfo; 0 if the kernel does not report it.
uint64_t ringway_mount_number(int descriptor);

/// Opens a file, close-on-exec. `path` is text as described in ringway_text.h.
int ringway_open(const char *path, int flags, mode_t mode);
/// An O_PATH descriptor of the target of `path`.
int ringway_open_path(const char *path);
/// An O_PATH descriptor of the entry at `path`; a symbolic link at its end is not followed.
int ringway_open_entry(int directory, const char *path);
/// An O_PATH descriptor of the directory at `path`, for lookups.
int ringway_open_directory(int directory, const char *path);
int ringway_close_on_exec(int descriptor);
bool ringway_is_open(int descriptor);

/// Returns the device and inode number of a file, by which a caller detects that the path now refers to another file.
int ringway_file_identity(const char *path, uint64_t *device, uint64_t *number);
/// Like `ringway_file_identity`, but of the directory entry itself, even if it is a symbolic link. An empty path stands
/// for the descriptor `directory`.
int ringway_entry_identity(int directory, const char *path, uint64_t *device, uint64_t *number);

int ringway_event_descriptor(void);

// --- Messages with descriptors -----------------------------------------------------------------------------------

/// The kernel's limit of descriptors in one message (SCM_MAX_FD).
#define RINGWAY_MAXIMUM_DESCRIPTORS 253

/// Accepts a connection, non-blocking and close-on-exec.
int ringway_accept(int descriptor);

/// The number of sent bytes that the peer has not read, or, on TCP, has not acknowledged (SIOCOUTQ); zero if the kernel
/// does not report it.
int ringway_unsent(int descriptor);

/// Makes two connected unix sockets that keep message boundaries (SOCK_SEQPACKET).
int ringway_message_pair(int ends[2]);

/// Sends one message; the receiver gets duplicates of the descriptors.
ssize_t ringway_send_message(int socket, const void *bytes, size_t length, const int *descriptors, size_t count);

/// Receives one message. `descriptors` must have room for RINGWAY_MAXIMUM_DESCRIPTORS; those received are
/// close-on-exec. Returns the number of bytes, zero if the peer has closed its socket, or -1. errno is EMSGSIZE if the
/// message does not fit, and EMFILE if its descriptors exceed the process's limit; in both cases all received
/// descriptors are closed.
ssize_t ringway_receive_message(int socket, void *bytes, size_t capacity, int *descriptors, size_t *count);
#endif

// Processes and namespaces as the command needs them: calls that Swift's importer refuses (fork), cannot see (variadic
// ioctl and prctl, enum-valued macros, control messages) or cannot spell (siginfo's unions).
// No logic: each function makes one system call, or reads or writes one structure.
#ifndef RINGWAY_NAMESPACE_H
#define RINGWAY_NAMESPACE_H

// Headers of one module share what the first of them lets the C library declare.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// --- Processes ---------------------------------------------------------------------------------------------------

/// Swift marks `fork` unavailable because threads do not survive it. The caller forks before it starts any.
pid_t ringway_fork(void);

/// Forks a process that is not the caller's child but its parent's. The C library does not learn of it, so the caller
/// has one thread, and the new process keeps to plain system calls.
pid_t ringway_fork_sibling(void);

/// Has signals that tell of a crash do what they do by default, unless they are ignored.
void ringway_reset_crash_signals(void);

/// Leaves the caller's session and terminal.
int ringway_new_session(void);

/// Closes every descriptor from `first` to `last`.
int ringway_close_range(unsigned first, unsigned last);

/// Replaces the program, searching PATH as a shell does. Returns only on failure, with errno set.
void ringway_execute(char *const arguments[]);

/// Has the kernel send `signal` to the calling process when the thread that forked it ends.
int ringway_die_with_parent(int signal);

/// A descriptor that becomes readable when the process ends.
int ringway_process_descriptor(pid_t process);

/// What became of a child.
enum ringway_change {
    ringway_change_failed,     // errno says why
    ringway_change_none,
    ringway_change_exited,     // value: the exit status
    ringway_change_signalled,  // value: the signal that ended it
    ringway_change_stopped,    // value: the signal that stopped it
    ringway_change_continued,
};

/// Takes the next change of a child's state; waits for the child's end when `wait`.
enum ringway_change ringway_take_change(pid_t child, bool wait, int *value);

/// The processors that the calling thread may run on.
int ringway_processor_count(void);

/// Has the calling thread wait for a processor that is free, or for its turn, when something wakes it, and not take the
/// place of what runs (sched(7), SCHED_BATCH).
void ringway_never_preempt(void);

/// The soft and the hard limit of open descriptors.
int ringway_file_limit(uint64_t *soft, uint64_t *hard);

int ringway_set_file_limit(uint64_t soft, uint64_t hard);

/// Has the table of open descriptors hold `count` of them. It grows by itself too, but in a process with several threads
/// each growth waits until every processor has passed a quiescent state.
void ringway_grow_descriptor_table(int count);

/// Has the allocator give memory back to the system as soon as some of it is free (mallopt(3)): by itself it takes the
/// largest piece that was ever freed for the measure of what to keep. Does nothing where the C library has no such habit.
void ringway_keep_little_memory(void);

/// Gives back what is free between pieces that are not (malloc_trim(3)), where the C library can.
void ringway_return_memory(void);

// --- Signals -----------------------------------------------------------------------------------------------------

/// Every signal that is somebody's message to a program, as opposed to a fault of its own (SEGV and the like), a
/// closed pipe, or the two that cannot be caught. Real-time signals included.
void ringway_message_signals(sigset_t *set);

/// Blocks the set in the calling thread and in those it starts; `previous` takes the mask to restore.
int ringway_block_signals(const sigset_t *set, sigset_t *previous);

int ringway_restore_signals(const sigset_t *previous);

/// A non-blocking descriptor from which blocked signals are read.
int ringway_signal_descriptor(const sigset_t *set);

/// Takes one pending signal. `from_kernel` tells a terminal's signal from one that a process sent.
bool ringway_take_signal(int descriptor, int *number, bool *from_kernel);

/// Sets a signal to its default action, or to be ignored. Returns whether it was ignored before.
bool ringway_ignore_signal(int number, bool ignore);

// --- Namespaces and mounts ---------------------------------------------------------------------------------------

int ringway_unshare(int kinds);
int ringway_join_namespace(int descriptor, int kind);

int ringway_kind_user(void);
int ringway_kind_network(void);
int ringway_kind_mount(void);

/// A descriptor of the user namespace that owns the namespace `descriptor` names.
int ringway_owning_user_namespace(int descriptor);

/// From now on mounts made here stay here; those made on the host still appear.
int ringway_mount_subordinate(const char *path);
/// Shows the tree `source`, with what is mounted in it, at `target`.
int ringway_mount_bind_all(const char *source, const char *target);

// Mounts without a place, as descriptors: the system calls of Linux 5.2. A path that is empty stands for the descriptor
// itself; a symbolic link at its end is not followed.

/// A small file system in memory, mounted nowhere.
int ringway_mount_memory(void);
/// A copy of the mount at a path, beginning there; `whole` copies what is mounted in it too. Before Linux 6.15 what is
/// copied must be mounted somewhere in the caller's namespace.
int ringway_mount_copy(int directory, const char *path, bool whole);
/// Mounts what is mounted nowhere.
int ringway_mount_place(int mount, int directory, const char *path);
/// Makes one mount read-only, wherever else its file system can be written.
int ringway_mount_protect(int mount);
/// Takes a mount, of which `directory` is the root, out of sight; what is still in use of it stays usable.
int ringway_unmount_directory(int directory);
/// Takes a mount that `mount` names, a directory's or a file's, out of sight.
int ringway_unmount(int mount);
/// Takes the mount on the file at `path` out of sight.
int ringway_unmount_entry(const char *path);
/// The number of the mount that a descriptor lies in, as /proc/PID/mountinfo has it; 0 where the kernel does not tell.
uint64_t ringway_mount_number(int descriptor);

/// Opens, close-on-exec. The path is text (ringway_text.h).
int ringway_open(const char *path, int flags, mode_t mode);
/// A descriptor that names what `path` leads to without opening it.
int ringway_open_path(const char *path);
/// A descriptor that names what is at `path` without opening it, a symbolic link at its end included.
int ringway_open_entry(int directory, const char *path);
/// A descriptor that names the directory `path` leads to, for looking things up in it.
int ringway_open_directory(int directory, const char *path);
int ringway_close_on_exec(int descriptor);
bool ringway_is_open(int descriptor);

/// What tells one file from another, for noticing that a path, which is text, leads elsewhere now.
int ringway_file_identity(const char *path, uint64_t *device, uint64_t *number);
/// The same for the entry itself, be it a symbolic link; an empty path stands for the descriptor.
int ringway_entry_identity(int directory, const char *path, uint64_t *device, uint64_t *number);

int ringway_event_descriptor(void);

// --- Messages with descriptors -----------------------------------------------------------------------------------

/// Linux takes no more descriptors in one message (SCM_MAX_FD).
#define RINGWAY_MAXIMUM_DESCRIPTORS 253

/// Takes the next connection, non-blocking and close-on-exec.
int ringway_accept(int descriptor);

/// Bytes that a socket has been given and its peer has not read, as far as the kernel tells; zero where it does not.
int ringway_unsent(int descriptor);

/// Both ends of a connection that keeps message boundaries.
int ringway_message_pair(int ends[2]);

/// Sends one message; the receiver gets descriptors of its own.
ssize_t ringway_send_message(int socket, const void *bytes, size_t length, const int *descriptors, size_t count);

/// Takes one message. `descriptors` has room for RINGWAY_MAXIMUM_DESCRIPTORS, which are close-on-exec. Zero means that
/// the other end is gone; a message that did not fit is EMSGSIZE, and its descriptors are closed.
ssize_t ringway_receive_message(int socket, void *bytes, size_t capacity, int *descriptors, size_t *count);
#endif

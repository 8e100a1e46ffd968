// Arguments, paths and file names are bytes; Swift's strings are Unicode. In strings, bytes that are not UTF-8 are
// represented by private-use characters, so that every argument is passed on unchanged. All functions of CRingway
// that take a path, except ringway_field, take such text, and convert it back to bytes.
#ifndef RINGWAY_TEXT_H
#define RINGWAY_TEXT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/// The text for `bytes`: UTF-8 represents itself, and each byte that is not UTF-8 becomes the character U+10FF00 plus
/// its value. If such a private-use character is in `bytes`, its bytes count as not UTF-8, so different bytes never
/// have the same text. The caller frees the text.
char *ringway_text_from_bytes(const char *bytes);

/// The bytes that a text represents. The caller frees them.
char *ringway_text_bytes(const char *text);

/// The number of bytes that a text represents, without the terminating zero.
size_t ringway_text_length(const char *text);

/// Whether a text represents bytes that are not UTF-8.
bool ringway_text_is_mixed(const char *text);

// System calls that take a path as text.

int ringway_path_unlink(const char *path);
int ringway_path_rename(const char *from, const char *to);
/// Sets the permissions of a socket file. Fails with ENOTSOCK for any other file, and for a symbolic link.
int ringway_socket_chmod(const char *path, mode_t mode);
int ringway_path_make_directory(const char *path, mode_t mode);
int ringway_path_remove_directory(const char *path);
/// Makes `to` a hard link to the file at `from`. A symbolic link at `from` is not followed.
int ringway_path_link(const char *from, const char *to);
/// Whether a file of any type is at a path; symbolic links are followed.
bool ringway_path_exists(const char *path);
/// Reads the mode and the owner of the file at a path. `follows` says whether a symbolic link as the last component
/// is followed. Returns zero, or -1 with errno.
int ringway_path_status(const char *path, bool follows, mode_t *mode, uid_t *owner);
/// The type of the file at a path (S_IFMT of its mode), without following a symbolic link; 0 if there is no file.
unsigned ringway_path_type(const char *path);
#endif

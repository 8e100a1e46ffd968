// Arguments, paths and names of files are bytes; Swift's strings are Unicode. Between them, bytes that are not UTF-8 stand
// as private characters of their own, so that every argument comes out of the program as it went in. Where CRingway takes
// a path it takes this text, and turns it back into bytes.
#ifndef RINGWAY_TEXT_H
#define RINGWAY_TEXT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/// The text of some bytes: what is UTF-8 is itself, and each other byte is U+10FF00 plus its value. The private
/// characters themselves count as bytes that are not UTF-8, so no two arguments have the same text. To be freed.
char *ringway_text_from_bytes(const char *bytes);

/// The bytes of a text. To be freed.
char *ringway_text_bytes(const char *text);

/// How many bytes a text stands for, without the terminating zero.
size_t ringway_text_length(const char *text);

/// Whether a text stands for bytes that are not UTF-8.
bool ringway_text_is_mixed(const char *text);

// System calls that take a path as text.

int ringway_path_unlink(const char *path);
int ringway_path_rename(const char *from, const char *to);
/// Sets the permissions of a socket; of anything else, a symbolic link included, it is refused (ENOTSOCK).
int ringway_socket_chmod(const char *path, mode_t mode);
int ringway_path_make_directory(const char *path, mode_t mode);
/// The type of what is at a path (S_IFMT of its mode), a symbolic link being one; 0 where there is nothing.
unsigned ringway_path_type(const char *path);
#endif

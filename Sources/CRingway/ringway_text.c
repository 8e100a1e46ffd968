// Text that represents bytes; documented in the header.
#include "ringway_text.h"
#include "text_bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Whether a private character that represents a byte (an escape) starts here. U+10FF80 to U+10FFBF are F4 8F BE 80..BF,
// and U+10FFC0 to U+10FFFF are F4 8F BF 80..BF.
static bool is_escape(const unsigned char *at) {
    return at[0] == 0xF4 && at[1] == 0x8F && (at[2] == 0xBE || at[2] == 0xBF) && (at[3] & 0xC0) == 0x80;
}

// The length of the character that starts here, if it is UTF-8 (RFC 3629, section 4) and not an escape; otherwise 0.
static size_t character_length(const unsigned char *at) {
    if (at[0] < 0x80) return 1;
    // Never reads beyond the terminating zero, because the zero fails every comparison.
    if (at[0] >= 0xC2 && at[0] <= 0xDF) return (at[1] & 0xC0) == 0x80 ? 2 : 0;
    if ((at[0] & 0xF0) == 0xE0) {
        unsigned char low = at[0] == 0xE0 ? 0xA0 : 0x80, high = at[0] == 0xED ? 0x9F : 0xBF;
        return at[1] >= low && at[1] <= high && (at[2] & 0xC0) == 0x80 ? 3 : 0;
    }
    if (at[0] >= 0xF0 && at[0] <= 0xF4) {
        unsigned char low = at[0] == 0xF0 ? 0x90 : 0x80, high = at[0] == 0xF4 ? 0x8F : 0xBF;
        bool whole = at[1] >= low && at[1] <= high && (at[2] & 0xC0) == 0x80 && (at[3] & 0xC0) == 0x80;
        return whole && !is_escape(at) ? 4 : 0;
    }
    return 0;
}

char *ringway_text_from_bytes(const char *bytes) {
    char *text = malloc(strlen(bytes) * 4 + 1);
    if (!text) abort();
    const unsigned char *from = (const unsigned char *)bytes;
    unsigned char *to = (unsigned char *)text;
    while (*from) {
        size_t length = character_length(from);
        if (length > 0) {
            memcpy(to, from, length);
            to += length;
            from += length;
        } else {
            *to++ = 0xF4;
            *to++ = 0x8F;
            *to++ = *from < 0xC0 ? 0xBE : 0xBF;
            *to++ = 0x80 | (*from & 0x3F);
            from++;
        }
    }
    *to = 0;
    return text;
}

char *ringway_text_bytes(const char *text) {
    char *bytes = malloc(strlen(text) + 1);
    if (!bytes) abort();
    const unsigned char *from = (const unsigned char *)text;
    char *to = bytes;
    while (*from) {
        if (is_escape(from)) {
            *to++ = (char)((from[2] == 0xBE ? 0x80 : 0xC0) | (from[3] & 0x3F));
            from += 4;
        } else {
            *to++ = (char)*from++;
        }
    }
    *to = 0;
    return bytes;
}

size_t ringway_text_length(const char *text) {
    size_t length = 0;
    for (const unsigned char *at = (const unsigned char *)text; *at; at += is_escape(at) ? 4 : 1) length++;
    return length;
}

bool ringway_text_is_mixed(const char *text) { return ringway_text_length(text) != strlen(text); }

// --- System calls ------------------------------------------------------------------------------------------------

int ringway_path_unlink(const char *path) {
    char *bytes = ringway_text_bytes(path);
    return finish(unlink(bytes), bytes, NULL);
}

int ringway_path_rename(const char *from, const char *to) {
    char *first = ringway_text_bytes(from), *second = ringway_text_bytes(to);
    return finish(rename(first, second), first, second);
}

int ringway_socket_chmod(const char *path, mode_t mode) {
    char *bytes = ringway_text_bytes(path);
    // The check and the change use the same open file, even if the name is replaced in between.
    int file = finish(open(bytes, O_PATH | O_NOFOLLOW | O_CLOEXEC), bytes, NULL);
    if (file < 0) return -1;
    struct stat status;
    int result = fstat(file, &status);
    if (result == 0 && !S_ISSOCK(status.st_mode)) {
        errno = ENOTSOCK;
        result = -1;
    }
    if (result == 0 && (status.st_mode & 07777) != mode) {
        // fchmod(2) refuses an O_PATH descriptor, and fchmodat2(2) exists from Linux 6.6 on.
        char name[32];
        snprintf(name, sizeof name, "/proc/self/fd/%d", file);
        result = chmod(name, mode);
    }
    int reason = errno;
    close(file);
    errno = reason;
    return result;
}

int ringway_path_make_directory(const char *path, mode_t mode) {
    char *bytes = ringway_text_bytes(path);
    return finish(mkdir(bytes, mode), bytes, NULL);
}

int ringway_path_remove_directory(const char *path) {
    char *bytes = ringway_text_bytes(path);
    return finish(rmdir(bytes), bytes, NULL);
}

int ringway_path_link(const char *from, const char *to) {
    char *first = ringway_text_bytes(from), *second = ringway_text_bytes(to);
    return finish(linkat(AT_FDCWD, first, AT_FDCWD, second, 0), first, second);
}

bool ringway_path_exists(const char *path) {
    char *bytes = ringway_text_bytes(path);
    return finish(access(bytes, F_OK), bytes, NULL) == 0;
}

int ringway_path_status(const char *path, bool follows, mode_t *mode, uid_t *owner) {
    char *bytes = ringway_text_bytes(path);
    struct stat status;
    int result = finish(follows ? stat(bytes, &status) : lstat(bytes, &status), bytes, NULL);
    if (result < 0) return -1;
    *mode = status.st_mode;
    *owner = status.st_uid;
    return 0;
}

unsigned ringway_path_type(const char *path) {
    char *bytes = ringway_text_bytes(path);
    struct stat status;
    int result = finish(lstat(bytes, &status), bytes, NULL);
    return result == 0 ? status.st_mode & S_IFMT : 0;
}

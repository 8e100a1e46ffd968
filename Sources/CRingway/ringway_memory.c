#include "ringway_memory.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static long limit_of(int resource) {
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return -1;
    return limit.rlim_cur > LONG_MAX ? LONG_MAX : (long)limit.rlim_cur;
}

long ringway_address_limit(void) { return limit_of(RLIMIT_AS); }

long ringway_data_limit(void) { return limit_of(RLIMIT_DATA); }

long ringway_field(const char *path, const char *key, int index) {
    char text[8192];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    if (length <= 0) return 0;
    text[length] = 0;
    const char *at = text;
    if (key) {
        at = strstr(text, key);
        if (!at) return 0;
        at += strlen(key);
    }
    long value = 0;
    for (int field = 0; field <= index; field++) {
        char *end;
        value = strtol(at, &end, 10);
        if (end == at) return 0;
        at = end;
    }
    return value;
}

#define _GNU_SOURCE
#include <dirent.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "ringway_socket.h"

long ringway_open_descriptors(void) {
    struct stat status;
    if (stat("/proc/self/fd", &status) == 0 && status.st_size > 0) return (long)status.st_size;
    DIR *directory = opendir("/proc/self/fd");
    if (!directory) return -1;
    // The directory's two dot entries, and the descriptor that reads the directory, are not counted.
    long count = -3;
    while (readdir(directory)) count++;
    closedir(directory);
    return count;
}

bool ringway_has_unread(int descriptor) {
    int count = 0;
    return ioctl(descriptor, FIONREAD, &count) == 0 && count > 0;
}

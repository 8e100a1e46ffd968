#define _GNU_SOURCE
#include "ringway_socket.h"

#include <sched.h>
#include <sys/resource.h>
#include <time.h>

static uint64_t nanoseconds_of(struct timeval time) {
    return (uint64_t)time.tv_sec * 1000000000ULL + (uint64_t)time.tv_usec * 1000ULL;
}

void ringway_thread_usage(uint64_t *nanoseconds, uint64_t *waits) {
    struct rusage usage;
    if (getrusage(RUSAGE_THREAD, &usage) != 0) return;
    *nanoseconds = nanoseconds_of(usage.ru_utime) + nanoseconds_of(usage.ru_stime);
    *waits = (uint64_t)usage.ru_nvcsw;
}

int ringway_processors(void) {
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return count > 0 ? count : 1;
}

void ringway_pause_thread(uint64_t nanoseconds) {
    struct timespec time = {(time_t)(nanoseconds / 1000000000ULL), (long)(nanoseconds % 1000000000ULL)};
    nanosleep(&time, NULL);
}

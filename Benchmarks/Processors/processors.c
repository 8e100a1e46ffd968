#define _GNU_SOURCE
#include "processors.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 65536
// Together far larger than any cache.
#define BLOCKS 4096

static long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000 + time.tv_nsec;
}

double copy_rate(long nanoseconds) {
    char *source = malloc((size_t)BLOCK * BLOCKS), *target = malloc((size_t)BLOCK * BLOCKS);
    if (!source || !target) abort();
    memset(source, 1, (size_t)BLOCK * BLOCKS);
    memset(target, 2, (size_t)BLOCK * BLOCKS);
    long start = now(), end = start, copied = 0;
    while (end - start < nanoseconds) {
        for (int block = 0; block < 64; block++, copied++) {
            size_t offset = (size_t)(copied % BLOCKS) * BLOCK;
            memcpy(target + offset, source + offset, BLOCK);
        }
        end = now();
    }
    volatile char seen = target[BLOCK];
    (void)seen;
    free(source);
    free(target);
    return (double)copied * BLOCK / (double)(end - start) * 1e9;
}

double system_call_time(long nanoseconds) {
    long start = now(), end = start, calls = 0;
    while (end - start < nanoseconds) {
        for (int call = 0; call < 1000; call++, calls++) syscall(SYS_getppid);
        end = now();
    }
    return (double)(end - start) / (double)calls;
}

int pin_thread(int processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    return sched_setaffinity(0, sizeof set, &set) == 0 ? 0 : errno;
}

#define _GNU_SOURCE
#include "processors.h"

#include <errno.h>
#include <sched.h>

int pin_thread(int processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    return sched_setaffinity(0, sizeof set, &set) == 0 ? 0 : errno;
}

#include "ringway_filter.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

// The needed part of libpcap's interface, as declared in pcap/pcap.h and pcap/bpf.h. Both are stable since 1.0.
struct program {
    unsigned int length;
    void *instructions;
};

static const int linktype_ethernet = 1;
static const uint32_t netmask_unknown = 0xFFFFFFFF;

struct ringway_filter {
    struct program program;
    unsigned int (*run)(const void *instructions, const unsigned char *packet, unsigned int length,
                        unsigned int captured);
    void (*free_program)(struct program *program);
};

// Debian calls the library libpcap.so.0.8, others libpcap.so.1; the interface is the same.
static void *load(void) {
    void *library = dlopen("libpcap.so.0.8", RTLD_NOW | RTLD_LOCAL);
    return library != NULL ? library : dlopen("libpcap.so.1", RTLD_NOW | RTLD_LOCAL);
}

ringway_filter *ringway_filter_compile(const char *expression, int snap_length, char *reason, size_t size) {
    // The library is never closed, because filters call its functions later.
    void *library = load();
    if (library == NULL) {
        snprintf(reason, size, "filters need libpcap, which is not installed (package libpcap0.8)");
        return NULL;
    }
    void *(*open_dead)(int, int);
    int (*compile)(void *, struct program *, const char *, int, uint32_t);
    char *(*error_of)(void *);
    void (*close_dead)(void *);
    ringway_filter *filter = calloc(1, sizeof *filter);
    if (filter == NULL) {
        snprintf(reason, size, "no memory");
        return NULL;
    }
    *(void **)&open_dead = dlsym(library, "pcap_open_dead");
    *(void **)&compile = dlsym(library, "pcap_compile");
    *(void **)&error_of = dlsym(library, "pcap_geterr");
    *(void **)&close_dead = dlsym(library, "pcap_close");
    *(void **)&filter->free_program = dlsym(library, "pcap_freecode");
    *(void **)&filter->run = dlsym(library, "bpf_filter");
    if (!open_dead || !compile || !error_of || !close_dead || !filter->free_program || !filter->run) {
        snprintf(reason, size, "this libpcap is too old for filters");
        free(filter);
        return NULL;
    }
    void *handle = open_dead(linktype_ethernet, snap_length);
    if (handle == NULL || compile(handle, &filter->program, expression, 1, netmask_unknown) != 0) {
        snprintf(reason, size, "%s", handle == NULL ? "no memory" : error_of(handle));
        if (handle != NULL) close_dead(handle);
        free(filter);
        return NULL;
    }
    close_dead(handle);
    return filter;
}

int ringway_filter_matches(const ringway_filter *filter, const void *frame, uint32_t length, uint32_t captured) {
    return filter->run(filter->program.instructions, frame, length, captured) != 0;
}

void ringway_filter_free(ringway_filter *filter) {
    if (filter == NULL) return;
    filter->free_program(&filter->program);
    free(filter);
}

// liburing as the distribution ships it; CRingway adds what older releases lack.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <liburing.h>

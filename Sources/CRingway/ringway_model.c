#include "ringway_model.h"

#include <stddef.h>

static _Thread_local void *thread_model = NULL;

void *ringway_thread_model(void) { return thread_model; }
void ringway_set_thread_model(void *model) { thread_model = model; }

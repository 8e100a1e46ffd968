// The model of a host that a thread's system calls go to in place of the kernel, in simulations.
#ifndef RINGWAY_MODEL_H
#define RINGWAY_MODEL_H

/// The calling thread's model; NULL for the kernel, which is what every thread of a program has.
void *ringway_thread_model(void);
void ringway_set_thread_model(void *model);

#endif

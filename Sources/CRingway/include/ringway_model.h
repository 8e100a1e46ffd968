// In a simulation, a simulated host (the model) executes a thread's system calls instead of the kernel.
#ifndef RINGWAY_MODEL_H
#define RINGWAY_MODEL_H

/// The calling thread's model; NULL, the default, if the kernel executes its system calls.
void *ringway_thread_model(void);
void ringway_set_thread_model(void *model);

#endif

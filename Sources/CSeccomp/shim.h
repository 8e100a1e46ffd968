// libseccomp as the distribution ships it.
#include <seccomp.h>

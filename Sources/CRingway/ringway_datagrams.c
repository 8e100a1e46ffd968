#define _GNU_SOURCE
#include "ringway_socket.h"

#include <sys/socket.h>

int ringway_send_datagrams(int descriptor, struct iovec *datagrams, unsigned count) {
    struct mmsghdr messages[64];
    if (count > 64) count = 64;
    for (unsigned index = 0; index < count; index++) {
        messages[index] = (struct mmsghdr){.msg_hdr = {.msg_iov = &datagrams[index], .msg_iovlen = 1}};
    }
    int sent = sendmmsg(descriptor, messages, count, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent >= 0 ? sent : -errno;
}

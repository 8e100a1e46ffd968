// A virtual machine's network card: a TAP interface in this network namespace, and a stream of QEMU's to Ringway.
//
//     card PATH INTERFACE MAC
//
// Prints "attached" when the link is there and the interface is up. Two threads carry frames, one for each direction.
// The interface goes with the program.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum { LONGEST = 65536, AT_ONCE = 1 << 18 };

static int tap, stream;

static void fail(const char *what) {
    fprintf(stderr, "card: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *from_guest(void *unused) {
    static uint8_t bytes[4 + LONGEST];
    (void)unused;
    ssize_t length;
    while ((length = read(tap, bytes + 4, LONGEST)) > 0) {
        uint32_t prefix = htonl((uint32_t)length);
        memcpy(bytes, &prefix, 4);
        for (ssize_t sent = 0; sent < length + 4;) {
            ssize_t count = send(stream, bytes + sent, (size_t)(length + 4 - sent), MSG_NOSIGNAL);
            if (count <= 0) fail("send to the link");
            sent += count;
        }
    }
    fail("read from the interface");
    return NULL;
}

static void to_guest(void) {
    static uint8_t bytes[AT_ONCE + LONGEST];
    size_t present = 0;
    for (;;) {
        ssize_t count = recv(stream, bytes + present, AT_ONCE, 0);
        if (count <= 0) fail("receive from the link");
        present += (size_t)count;
        size_t taken = 0;
        while (present - taken >= 4) {
            uint32_t length;
            memcpy(&length, bytes + taken, 4);
            length = ntohl(length);
            if (length > LONGEST - 4) {
                errno = EMSGSIZE;
                fail("a frame");
            }
            if (present - taken - 4 < length) break;
            // An interface whose queue is full drops the frame, as a card does.
            if (write(tap, bytes + taken + 4, length) < 0 && errno == EBADF) fail("write to the interface");
            taken += 4 + length;
        }
        memmove(bytes, bytes + taken, present -= taken);
    }
}

int main(int count, char **arguments) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    unsigned mac[6];
    if (count != 4 || strlen(arguments[1]) >= sizeof address.sun_path || strlen(arguments[2]) >= IFNAMSIZ ||
        sscanf(arguments[3], "%x:%x:%x:%x:%x:%x", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) != 6) {
        fputs("card: see the head of card.c\n", stderr);
        return 2;
    }
    strcpy(request.ifr_name, arguments[2]);
    tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (tap < 0 || ioctl(tap, TUNSETIFF, &request) != 0) fail("/dev/net/tun");
    int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
    for (int index = 0; index < 6; index++) request.ifr_hwaddr.sa_data[index] = (char)mac[index];
    if (ioctl(any, SIOCSIFHWADDR, &request) != 0) fail("the interface's address");
    request.ifr_flags = IFF_UP;
    if (ioctl(any, SIOCSIFFLAGS, &request) != 0) fail("the interface");
    close(any);
    strcpy(address.sun_path, arguments[1]);
    stream = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(stream, (struct sockaddr *)&address, sizeof address) != 0) fail(arguments[1]);
    puts("attached");
    fflush(stdout);
    pthread_t thread;
    if (pthread_create(&thread, NULL, from_guest, NULL) != 0) fail("a thread");
    to_guest();
}

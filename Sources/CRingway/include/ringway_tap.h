// A TAP device and the netlink headers that configure it, as Swift cannot import them: ioctl numbers, struct ifreq,
// enum-valued macros. No logic: each function makes one system call.
#ifndef RINGWAY_TAP_H
#define RINGWAY_TAP_H

// Headers of one module share what the first of them lets the C library declare.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdbool.h>
#include <stdint.h>
#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

// Linux 6.2, include/uapi/linux/if_tun.h.
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

/// Opens the device from which TAP queues are made; the queue will belong to the caller's present network namespace.
int ringway_tap_open(void);

/// Makes the descriptor a queue of the TAP `name`: no packet information, a virtio-net header. `first` makes the device
/// and refuses an interface that exists; otherwise the queue joins the device. `many` lets it have more than one queue.
int ringway_tap_attach_queue(int descriptor, const char *name, bool first, bool many);

/// Bytes of the virtio-net header that precedes each frame.
int ringway_tap_set_header_length(int descriptor, int length);

/// What the reader of the device can take: TUN_F_ bits.
int ringway_tap_set_offloads(int descriptor, unsigned offloads);

/// What the descriptor is a queue of: the interface's name, of IFNAMSIZ bytes, and the IFF_ flags it was opened with.
int ringway_tap_describe(int descriptor, char *name, int *flags);

/// A descriptor of the network namespace that the interface is in now, wherever its queue was made (Linux 5.2).
int ringway_tap_namespace(int descriptor);

/// The interface's ethernet address, wherever the interface is.
int ringway_tap_address(int descriptor, uint8_t bytes[6]);

int ringway_netlink_open(void);

/// Adds the kernel's explanation, where it has one, to each refusal.
int ringway_netlink_explain(int descriptor);

/// Lists only what agrees with a request's header (Linux 4.20).
int ringway_netlink_list_strictly(int descriptor);

/// A socket on which the kernel tells of addresses and routes that come and go; non-blocking.
int ringway_netlink_follow_addresses(void);

// Enum-valued macros, which the importer leaves out.
enum {
    ringway_ifla_address = IFLA_ADDRESS,
    ringway_ifla_mtu = IFLA_MTU,
    ringway_ifla_queue_length = IFLA_TXQLEN,
    ringway_ifa_address = IFA_ADDRESS,
    ringway_ifa_local = IFA_LOCAL,
    ringway_ifa_broadcast = IFA_BROADCAST,
    ringway_ifa_flags = IFA_FLAGS,
    ringway_rta_gateway = RTA_GATEWAY,
    ringway_rta_interface = RTA_OIF,
    ringway_rta_priority = RTA_PRIORITY,
    ringway_rta_destination = RTA_DST,
    ringway_rta_table = RTA_TABLE,
    ringway_fra_mark = FRA_FWMARK,
    ringway_fra_table = FRA_TABLE,
    ringway_fra_priority = FRA_PRIORITY,
    ringway_fra_action_table = FR_ACT_TO_TBL,
    ringway_netlink_dump = NLM_F_DUMP,
    ringway_tca_kind = TCA_KIND,
    ringway_explanation = NLMSGERR_ATTR_MSG,
};
#endif

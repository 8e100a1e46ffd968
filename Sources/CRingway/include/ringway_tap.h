// A TAP device and the netlink headers that configure it, which Swift cannot import: ioctl numbers, struct ifreq,
// enum-valued macros. No logic: each function makes one or two system calls.
#ifndef RINGWAY_TAP_H
#define RINGWAY_TAP_H

// _GNU_SOURCE must be defined before the first system header of the module, because that header fixes which
// declarations are visible in all later ones.
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

// The flags for USO are from Linux 6.2 (include/uapi/linux/if_tun.h).
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

/// Opens /dev/net/tun for a TAP queue, which will belong to the caller's current network namespace.
int ringway_tap_open(void);

/// Attaches the descriptor as a queue to the TAP `name`. Frames have a virtio-net header (IFF_VNET_HDR), and no
/// packet information before it (IFF_NO_PI). `first` creates the device and refuses an existing interface; otherwise
/// the queue joins the device. `many` allows more than one queue.
int ringway_tap_attach_queue(int descriptor, const char *name, bool first, bool many);

/// Sets the length in bytes of the virtio-net header that precedes each frame.
int ringway_tap_set_header_length(int descriptor, int length);

/// Sets the offloads that the device's reader accepts: TUN_F_ bits.
int ringway_tap_set_offloads(int descriptor, unsigned offloads);

/// The device of a queue: the interface's name, of IFNAMSIZ bytes, and the IFF_ flags it was opened with.
int ringway_tap_describe(int descriptor, char *name, int *flags);

/// A descriptor of the interface's current network namespace, even if the queue was opened in another one (Linux 5.2).
int ringway_tap_namespace(int descriptor);

/// Reads the interface's ethernet address, also if the interface is in another network namespace.
int ringway_tap_address(int descriptor, uint8_t bytes[6]);

int ringway_netlink_open(void);

/// Makes the kernel add an error message to each error reply (NETLINK_EXT_ACK).
int ringway_netlink_explain(int descriptor);

/// Makes a dump contain only the entries that match the fields of the request's header (NETLINK_GET_STRICT_CHK, Linux
/// 4.20).
int ringway_netlink_list_strictly(int descriptor);

/// Opens a non-blocking socket for the kernel's notifications of changed addresses and routes.
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
    ringway_rta_multipath = RTA_MULTIPATH,
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

#!/bin/sh
# The script of udhcpc: prints the lease and leaves the interface alone.
[ "$1" = bound ] || exit 0
echo "address $ip"
echo "mask $subnet"
echo "router $router"
echo "dns $dns"
echo "mtu $mtu"
echo "lease $lease"
echo "domain $domain"
echo "broadcast $broadcast"
echo "search $search"
echo "routes $staticroutes"
echo "ntp $ntpsrv"

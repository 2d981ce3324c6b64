/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * drivers.h - the network back-ends. Each returns a struct net (base/net.h) owned by the caller.
 */
#ifndef NET_DRIVERS_H
#define NET_DRIVERS_H

#include "base/net.h"

/*
 * A tap device's fd (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR), or a connected datagram or seqpacket Unix socket that carries one frame a
 * message without header: which, is found out. Owned from now on. Its link goes down, on the main loop @loop, when the other end is
 * gone. Errors: neither.
 */
struct net *net_fd_new(const char *id, int fd, struct loop *loop, GError **error);

/* One end is dropped, nothing comes: a NIC without cable. */
struct net *net_null_new(const char *id);

struct net_user_forward {
	bool udp;
	const char *host_address; /* NULL: 127.0.0.1 */
	uint16_t host_port, guest_port;
};

/* For the helper process vmmd-slirp, which runs libslirp in a sandbox of its own. */
struct net_user_conf {
	const char *network; /* "10.0.2.0/24": gateway .2, DNS .3, first guest .15 */
	const char *hostname;
	bool restrict_out;
	const struct net_user_forward *forwards;
	unsigned n_forwards;
	uid_t uid; /* to become, (uid_t)-1: stay */
	gid_t gid;
	struct loop *loop; /* main loop: the link goes down when the helper is gone */
};

/*
 * Starts @helper (path of vmmd-slirp) with one end of a socket pair and returns a net over the other. It ends when our end is
 * closed. Before the sandbox, single threaded. Errors: cannot be started, refuses its configuration (its words), a forward's
 * port is taken.
 */
struct net *net_user_new(
	const char *id, const char *helper, const struct net_user_conf *conf, GError **error);

struct net_stats {
	uint64_t tx_frames, tx_bytes, tx_drops, rx_frames, rx_bytes, rx_drops;
};
void net_get_stats(struct net *n, struct net_stats *ret);

#endif

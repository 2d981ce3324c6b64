/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio.h - the core of every virtio device: status, feature negotiation, configuration space, queues and their owners.
 * Virtio 1.2, sections 2 and 3.
 *
 *	                 DRIVER_OK                          status 0, quiesce
 *	  IDLE ─────────────────────────► RUNNING ─────────────────────────► STOPPING ──► IDLE
 *	           queues lent to                    queues come back
 *	           their loops                       drained (asynchronous)
 *
 * Status 0 clears the registers at once; the status register reads non-zero until STOPPING is over. A driver that does not
 * wait for that may negotiate anew: what it starts, starts when the queues are back. A device gets its queues at start, each owned by one
 * loop; from then on only that loop's thread touches them. kick() runs there by the doorbell's eventfd: a vCPU
 * thread never does virtio I/O.
 *
 * The owner's loop, in rounds: doorbells and vqueue_schedule() lead to kick(), which pops and pushes; at the end of each round
 * the core publishes what was pushed and interrupts, once per queue.
 *
 * Quiesced, a queue is idle but stays up, with the requests in it that could not finish (parked by the disk's error
 * policy); they are part of the state.
 *
 * A guest that breaks the rules breaks the device: vdev_fail() sets DEVICE_NEEDS_RESET, interrupts, and nothing is
 * popped until reset.
 */
#ifndef VIRTIO_VIRTIO_H
#define VIRTIO_VIRTIO_H

#include "base/loop.h"
#include "devmodel/bus/device.h"
#include "virtio-backends/virtio/vq.h"

/* Device status, section 2.1. */
#define VIRTIO_STATUS_ACKNOWLEDGE 0x01
#define VIRTIO_STATUS_DRIVER      0x02
#define VIRTIO_STATUS_DRIVER_OK   0x04
#define VIRTIO_STATUS_FEATURES_OK 0x08
#define VIRTIO_STATUS_NEEDS_RESET 0x40
#define VIRTIO_STATUS_FAILED      0x80

/* Reserved feature bits, section 6. */
#define VIRTIO_F_INDIRECT_DESC     28
#define VIRTIO_F_EVENT_IDX         29
#define VIRTIO_F_VERSION_1         32
#define VIRTIO_F_ACCESS_PLATFORM   33
#define VIRTIO_F_RING_PACKED       34
#define VIRTIO_F_IN_ORDER          35
#define VIRTIO_F_ORDER_PLATFORM    36
#define VIRTIO_F_NOTIFICATION_DATA 38
#define VIRTIO_F_RING_RESET        40
#define VIRTIO_BIT(n)              (UINT64_C(1) << (n))

#define VIRTIO_MAX_QUEUES 128
#define VIRTIO_CONFIG_MAX 128 /* bytes of the largest device configuration structure we offer */
#define VIRTIO_NO_VECTOR  0xffff

struct vdev;
struct vqueue;

struct vdev_ops {
	const char *name;
	uint16_t id;     /* section 5 */
	size_t req_size; /* of device memory for each request */
	size_t config_size;

	/* What this instance offers, device-specific bits only; the core adds the ring features. Main thread. */
	uint64_t (*features)(struct vdev *v);
	/* The driver has set FEATURES_OK with v->hw.driver_features, already a subset: false refuses. May be NULL. */
	bool (*validate)(struct vdev *v);
	/*
	 * The driver wrote configuration bytes, within config_size; the device takes over what is writable with
	 * vdev_config_set(). Device lock held. May be NULL: read-only.
	 */
	void (*config_write)(struct vdev *v, unsigned off, const uint8_t *buf, unsigned n);

	/*
	 * Before the queues run: take over what was negotiated (v->features). @resumed: the device ran before, in this process or
	 * where its state was saved, and goes on. Device lock held. 0, or -errno: the device fails. May be NULL.
	 */
	int (*start)(struct vdev *v, bool resumed);
	/*
	 * Work may wait in the queue: pop until vq_pop() gives 0, and return true to hear of more by the doorbell. Or stop earlier
	 * (back-end full, nothing to deliver) and return false: the doorbell stays off until vqueue_schedule(). Queue's
	 * thread, qs section.
	 */
	bool (*kick)(struct vdev *v, struct vqueue *q);
	/*
	 * Pop no more; when nothing of this queue is in flight call vqueue_drained(). @reset: the requests' outcome does not
	 * matter any more, parked ones are dropped; else those stay and are resumed. A reset may follow a quiesce. Queue's thread, qs
	 * section. NULL: nothing is ever in flight.
	 */
	void (*drain)(struct vdev *v, struct vqueue *q, bool reset);
	/* All queues are back after a reset: own state to its default. Device lock held. May be NULL. */
	void (*reset)(struct vdev *v);
};

/* A queue and who owns it. */
struct vqueue {
	struct vdev *vdev;
	struct vq *vq;
	unsigned index;
	struct loop *loop;   /* [c] owner */
	struct loop_fd kick; /* [q] doorbell eventfd */
	int kick_fd;         /* [c] */
	int call_fd;         /* atomic: eventfd of its vector, -1: use the transport's interrupt */
	struct loop_call start_call, drain_call, drained_call, run_call;
	struct loop_hook round_end; /* [q] */
	bool running;               /* [q] kick() is called */
	bool lent;                  /* lock: started and not yet drained */
	bool reset;                 /* of the drain under way: set before it is posted */
	void *priv;                 /* the device's own per-queue data */
};

/* What the driver has written about one queue. */
struct vqueue_hw {
	uint64_t desc, avail, used;
	uint16_t size;
	uint16_t vector;
	uint16_t avail_idx, used_idx; /* where a drained queue stands */
	bool enabled;
	uint8_t pad[7];
};

struct vdev_hw {
	uint64_t driver_features;
	uint32_t device_feature_select, driver_feature_select;
	uint16_t queue_select;
	uint16_t config_vector;
	uint8_t status;
	uint8_t isr;
	uint8_t config_generation;
	uint8_t pad;
	uint8_t config[VIRTIO_CONFIG_MAX];
	struct vqueue_hw queues[VIRTIO_MAX_QUEUES];
};

extern const struct state_desc vdev_state;

/* How the core reaches the guest; implemented by the PCI transport. Any thread. */
struct vdev_transport_ops {
	void (*queue_interrupt)(struct vdev *v, struct vqueue *q);
	void (*config_interrupt)(struct vdev *v);
};

enum vdev_phase { VDEV_IDLE, VDEV_RUNNING, VDEV_STOPPING };

/* After vdev_fail(): the reason is being written, is there, was logged and told to the driver. */
enum vdev_health { VDEV_INTACT, VDEV_FAILING, VDEV_FAILED, VDEV_REPORTED };

#define VDEV_WHY_MAX 96 /* bytes of the reason why a device is broken */

struct vdev {
	struct dev *dev;                            /* [c] lock, log */
	const struct vdev_ops *ops;                 /* [c] */
	const struct vdev_transport_ops *transport; /* [c] set before vdev_init */
	void *priv;                    /* [c] the device's structure; set before vdev_init */
	bool packed;                   /* [c] packed rings are offered; set before vdev_init */
	uint64_t device_features;      /* [c] */
	uint64_t features;             /* [c] while RUNNING or STOPPING: what was negotiated */
	struct vdev_hw hw;             /* [s] lock */
	struct vqueue *queues;         /* [c] array */
	unsigned n_queues;             /* [c] */
	uint16_t queue_size;           /* [c] */
	enum vdev_phase phase;         /* lock */
	int active_queues;             /* atomic: lent to their loops */
	bool may_dma;                  /* lock: nothing starts without */
	bool quiesced;                 /* lock: nothing starts until resume */
	bool reset_due;                /* lock: registers are reset, the queues not yet */
	bool fresh;                    /* lock: DRIVER_OK was set, and nothing has run since */
	uint8_t old_status;            /* lock: what status reads meanwhile */
	struct async_group *quiescing; /* lock */
	struct loop_call stopped_call;

	int health; /* atomic, enum vdev_health */
	char why[VDEV_WHY_MAX];
	struct loop_call broken_call;
};

/*
 * From the transport's realize: @n queues of at most @size entries (a power of two), all owned by @loop unless vdev_set_loop() says
 * otherwise. Errors: no eventfd.
 */
bool vdev_init(struct vdev *v, struct dev *d, const struct vdev_ops *ops, unsigned n, uint16_t size,
	struct loop *loop, GError **error);
void vdev_done(struct vdev *v); /* quiesced or never started; idempotent */
void vdev_set_loop(struct vdev *v, unsigned queue, struct loop *loop); /* before the first start */

/* ---- registers, by the transport; device lock held ---- */

void vdev_write_status(struct vdev *v, uint8_t status);
uint8_t vdev_read_status(struct vdev *v);
void vdev_write_features(struct vdev *v, uint32_t select, uint32_t value);
uint32_t vdev_read_features(struct vdev *v, uint32_t select);
/* The registers of the selected queue, or NULL when there is none; the driver may change them when it is not enabled. */
struct vqueue_hw *vdev_selected_queue(struct vdev *v);
void vdev_queue_enable(struct vdev *v);
void vdev_config_read(struct vdev *v, unsigned off, void *buf, unsigned n);
void vdev_config_write(struct vdev *v, unsigned off, const void *buf, unsigned n);
/* Bus mastering goes on or off. Off while queues run: guest memory is not touched any more, until reset. */
void vdev_set_dma(struct vdev *v, bool on);
/* A doorbell that was not an ioeventfd. */
void vdev_ring(struct vdev *v, unsigned queue);

/* dev_ops of a virtio function call these. Lock held. */
void vdev_quiesce(struct vdev *v, struct async_group *g);
void vdev_resume(struct vdev *v);
void vdev_reset(struct vdev *v); /* system reset: quiesced before */
/* After vdev_state was loaded: 0, -EINVAL (does not fit this device), -EBUSY (not idle: reset first). */
int vdev_post_load(struct vdev *v);

/* ---- for devices ---- */

/* Negotiated? From start to the end of the last drain. */
static inline bool vdev_has_feature(const struct vdev *v, unsigned bit)
{
	return v->features & VIRTIO_BIT(bit);
}

/* The guest broke the device: NEEDS_RESET, counted, logged at a bounded rate. Any thread; the first one counts. */
void vdev_fail(struct vdev *v, const char *fmt, ...) __printf(2, 3);

/* Sets configuration bytes; the driver is not told. Lock held, or before the guest runs. */
void vdev_config_set(struct vdev *v, unsigned off, const void *buf, unsigned n);
/* Changes configuration bytes and tells the driver (generation, interrupt). Main thread, lock not held. */
void vdev_config_update(struct vdev *v, unsigned off, const void *buf, unsigned n);

/* The answer to ops->drain. Queue's thread. */
void vqueue_drained(struct vqueue *q);

/*
 * Calls ops->kick soon on the queue's thread, as if the guest had rung (back-end became ready). Queue's thread, not after
 * vqueue_drained().
 */
void vqueue_schedule(struct vqueue *q);
/* The same from a thread that does not own the queue: nothing unless the device runs. Lock held. */
void vdev_schedule(struct vdev *v, unsigned queue);

#endif

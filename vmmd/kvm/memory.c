/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "vmmd/kvm/kvm-internal.h"
#include "vmmd/kvm/trace.gen.h"

static bool same_place(const struct accel_slot *a, const struct accel_slot *b)
{
	return a->gpa.v == b->gpa.v && a->size == b->size && a->block == b->block &&
	       a->offset == b->offset && a->readonly == b->readonly;
}

static bool wanted(const struct accel_slot *have, const struct accel_slot *slots, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (same_place(have, &slots[i]))
			return true;
	}
	return false;
}

static bool present(const struct kvm *k, const struct accel_slot *want)
{
	for (unsigned i = 0; i < KVM_MAX_SLOTS; i++) {
		if (k->slots[i].used && same_place(&k->slots[i].slot, want))
			return true;
	}
	return false;
}

/* Tells the kernel slot @id: @size 0 deletes it. */
static int set_region(struct kvm *k, unsigned id, const struct accel_slot *s, uint64_t size)
{
	struct kvm_userspace_memory_region r = {
		.slot = id,
		.guest_phys_addr = s->gpa.v,
		.memory_size = size,
		.userspace_addr = (uintptr_t)gmem_block_hva(s->block) + s->offset,
		.flags = (s->readonly ? KVM_MEM_READONLY : 0) |
			 (k->dirty_log && !s->readonly ? KVM_MEM_LOG_DIRTY_PAGES : 0),
	};
	int err;

	err = kvm_ioctl(k->vm_fd, KVM_SET_USER_MEMORY_REGION, &r);
	trace_kvm_memory_slot(id, s->gpa.v, size, err);
	return err;
}

static int remove_slot(struct kvm *k, unsigned id)
{
	int err = set_region(k, id, &k->slots[id].slot, 0);

	if (err < 0)
		return err;
	k->slots[id].used = false;
	gmem_block_unref(k->slots[id].slot.block);
	return 0;
}

static int add_slot(struct kvm *k, const struct accel_slot *s)
{
	for (unsigned id = 0; id < KVM_MAX_SLOTS; id++) {
		int err;

		if (k->slots[id].used)
			continue;
		err = set_region(k, id, s, s->size);
		if (err < 0)
			return err;
		k->slots[id] = (struct kvm_slot){.used = true, .slot = *s};
		gmem_block_ref(s->block);
		return 0;
	}
	return -ENOSPC;
}

static bool goes(const struct kvm *k, unsigned id, const struct accel_slot *slots, size_t n)
{
	return k->slots[id].used && !wanted(&k->slots[id].slot, slots, n);
}

/* What goes makes room, in numbers and addresses, for what comes. */
static int change_slots(struct kvm *k, const struct accel_slot *slots, size_t n)
{
	int err = 0;

	for (unsigned id = 0; id < KVM_MAX_SLOTS && !err; id++) {
		if (goes(k, id, slots, n))
			err = remove_slot(k, id);
	}
	for (size_t i = 0; i < n && !err; i++) {
		if (!present(k, &slots[i]))
			err = add_slot(k, &slots[i]);
	}
	return err;
}

/*
 * RAM that is cut in two is deleted and added again in its parts. In between the guest must not run: it would find nothing
 * where its own program lies.
 */
int kvm_memory_commit(struct accel *a, const struct accel_slot *slots, size_t n)
{
	struct kvm *k = to_kvm(a);
	bool hold = false;
	int err;

	for (unsigned id = 0; id < KVM_MAX_SLOTS && !hold; id++)
		hold = goes(k, id, slots, n);
	if (hold)
		kvm_vcpus_hold(k);
	err = change_slots(k, slots, n);
	if (hold)
		kvm_vcpus_release(k);
	return err;
}

void kvm_memory_done(struct kvm *k)
{
	for (unsigned id = 0; id < KVM_MAX_SLOTS; id++) {
		if (k->slots[id].used)
			gmem_block_unref(k->slots[id].slot.block);
	}
}

int kvm_dirty_log(struct accel *a, bool on)
{
	struct kvm *k = to_kvm(a);
	int err = 0;

	k->dirty_log = on;
	for (unsigned id = 0; id < KVM_MAX_SLOTS && !err; id++) {
		if (k->slots[id].used && !k->slots[id].slot.readonly)
			err = set_region(k, id, &k->slots[id].slot, k->slots[id].slot.size);
	}
	return err;
}

static int sync_slot(struct kvm *k, unsigned id)
{
	const struct accel_slot *s = &k->slots[id].slot;
	uint64_t pages = s->size / GMEM_PAGE_SIZE;
	g_autofree uint64_t *bits = g_new0(uint64_t, (pages + 63) / 64);
	struct kvm_dirty_log log = {.slot = id, .dirty_bitmap = bits};
	int err = kvm_ioctl(k->vm_fd, KVM_GET_DIRTY_LOG, &log);

	if (err < 0)
		return err;
	for (uint64_t w = 0; w < (pages + 63) / 64; w++) {
		for (uint64_t left = bits[w]; left; left &= left - 1) {
			uint64_t page = w * 64 + (unsigned)__builtin_ctzll(left);

			gmem_dirty_mark_block(
				s->block, s->offset + page * GMEM_PAGE_SIZE, GMEM_PAGE_SIZE);
		}
	}
	return 0;
}

int kvm_dirty_sync(struct accel *a)
{
	struct kvm *k = to_kvm(a);
	int err = 0;

	for (unsigned id = 0; id < KVM_MAX_SLOTS && !err; id++) {
		if (k->slots[id].used && !k->slots[id].slot.readonly)
			err = sync_slot(k, id);
	}
	return err;
}

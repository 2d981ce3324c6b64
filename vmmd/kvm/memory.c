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

static bool present(const struct kvm_view *v, const struct accel_slot *want)
{
	for (unsigned i = 0; i < KVM_MAX_SLOTS; i++) {
		if (v->slots[i].used && same_place(&v->slots[i].slot, want))
			return true;
	}
	return false;
}

/* The number by which the kernel knows slot @id: the address space is in its upper half. */
static uint32_t slot_number(const struct kvm *k, const struct kvm_view *v, unsigned id)
{
	return (uint32_t)(v - k->views) << 16 | id;
}

/* Tells the kernel slot @id: @size 0 deletes it. */
static int set_region(struct kvm *k, const struct kvm_view *v, unsigned id,
	const struct accel_slot *s, uint64_t size)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot_number(k, v, id),
		.guest_phys_addr = s->gpa.v,
		.memory_size = size,
		.userspace_addr = (uintptr_t)gmem_block_hva(s->block) + s->offset,
		.flags = (s->readonly ? KVM_MEM_READONLY : 0) |
			 (k->dirty_log && !s->readonly ? KVM_MEM_LOG_DIRTY_PAGES : 0),
	};
	int err;

	err = kvm_ioctl(k->vm_fd, KVM_SET_USER_MEMORY_REGION, &r);
	trace_kvm_memory_slot(r.slot, s->gpa.v, size, err);
	return err;
}

static int remove_slot(struct kvm *k, struct kvm_view *v, unsigned id)
{
	int err = set_region(k, v, id, &v->slots[id].slot, 0);

	if (err < 0)
		return err;
	v->slots[id].used = false;
	gmem_block_unref(v->slots[id].slot.block);
	return 0;
}

static int add_slot(struct kvm *k, struct kvm_view *v, const struct accel_slot *s)
{
	for (unsigned id = 0; id < KVM_MAX_SLOTS; id++) {
		int err;

		if (v->slots[id].used)
			continue;
		err = set_region(k, v, id, s, s->size);
		if (err < 0)
			return err;
		v->slots[id] = (struct kvm_slot){.used = true, .slot = *s};
		gmem_block_ref(s->block);
		return 0;
	}
	return -ENOSPC;
}

static bool goes(const struct kvm_view *v, unsigned id, const struct accel_slot *slots, size_t n)
{
	return v->slots[id].used && !wanted(&v->slots[id].slot, slots, n);
}

/* What goes makes room, in numbers and addresses, for what comes. */
static int change_slots(struct kvm *k, struct kvm_view *v, const struct accel_slot *slots, size_t n)
{
	int err = 0;

	for (unsigned id = 0; id < KVM_MAX_SLOTS && !err; id++) {
		if (goes(v, id, slots, n))
			err = remove_slot(k, v, id);
	}
	for (size_t i = 0; i < n && !err; i++) {
		if (!present(v, &slots[i]))
			err = add_slot(k, v, &slots[i]);
	}
	return err;
}

/*
 * RAM that is cut in two is deleted and added again in its parts. In between the guest must not
 * run: it would find nothing where its own program lies.
 */
static int commit(struct kvm *k, struct kvm_view *v, const struct accel_slot *slots, size_t n)
{
	bool hold = false;
	int err;

	for (unsigned id = 0; id < KVM_MAX_SLOTS && !hold; id++)
		hold = goes(v, id, slots, n);
	if (hold)
		kvm_vcpus_hold(k);
	err = change_slots(k, v, slots, n);
	if (hold)
		kvm_vcpus_release(k);
	return err;
}

void kvm_memory_done(struct kvm *k)
{
	for (struct kvm_view *v = k->views; v < k->views + KVM_VIEWS; v++) {
		for (unsigned id = 0; id < KVM_MAX_SLOTS; id++) {
			if (v->slots[id].used)
				gmem_block_unref(v->slots[id].slot.block);
		}
	}
}

int kvm_memory_commit(struct accel *a, const struct accel_slot *slots, size_t n)
{
	return commit(to_kvm(a), &to_kvm(a)->views[KVM_VIEW_NORMAL], slots, n);
}

int kvm_smm_memory_commit(struct accel *a, const struct accel_slot *slots, size_t n)
{
	return commit(to_kvm(a), &to_kvm(a)->views[KVM_VIEW_SMM], slots, n);
}

/* @fn for every slot that the guest can write, until it fails. */
static int each_writable(
	struct kvm *k, int (*fn)(struct kvm *k, const struct kvm_view *v, unsigned id))
{
	int err = 0;

	for (struct kvm_view *v = k->views; v < k->views + KVM_VIEWS; v++) {
		for (unsigned id = 0; id < KVM_MAX_SLOTS && !err; id++) {
			if (v->slots[id].used && !v->slots[id].slot.readonly)
				err = fn(k, v, id);
		}
	}
	return err;
}

static int set_again(struct kvm *k, const struct kvm_view *v, unsigned id)
{
	return set_region(k, v, id, &v->slots[id].slot, v->slots[id].slot.size);
}

int kvm_dirty_log(struct accel *a, bool on)
{
	struct kvm *k = to_kvm(a);

	k->dirty_log = on;
	return each_writable(k, set_again);
}

static int sync_slot(struct kvm *k, const struct kvm_view *v, unsigned id)
{
	const struct accel_slot *s = &v->slots[id].slot;
	uint64_t pages = s->size / GMEM_PAGE_SIZE;
	g_autofree uint64_t *bits = g_new0(uint64_t, (pages + 63) / 64);
	struct kvm_dirty_log log = {.slot = slot_number(k, v, id), .dirty_bitmap = bits};
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
	return each_writable(to_kvm(a), sync_slot);
}

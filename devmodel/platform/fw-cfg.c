/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Firmware configuration device, QEMU's docs/specs/fw_cfg.rst.
 *
 *	0x510	16-bit selector: chooses an item and goes to its beginning
 *	0x511	next byte of the item, 0 behind its end
 *	0x514	64-bit big-endian address of a DMA command; its low half at 0x518 starts it. Reads give a signature
 *
 * All items come from the host; the guest can write those only in which the host wants an answer. A
 * DMA command is copied once, and moves at most what the item holds and some padding, so that no guest
 * keeps its vCPU in here for long.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "devmodel/platform/platform.h"

#define FW_CFG_PORT     0x510
#define FW_CFG_DATA     1 /* offset of the data port */
#define FW_CFG_DMA_PORT 0x514
#define FW_CFG_DMA_LOW  4 /* offset of the low half */

#define FW_CFG_HAS_PORTS 0x1
#define FW_CFG_HAS_DMA   0x2

/* Bits of a selector. */
#define KEY_ARCH  0x8000 /* architecture's own items */
#define KEY_WRITE 0x4000 /* of old: writing through the data port */
#define KEYS      (FW_CFG_FILE_FIRST + FW_CFG_MAX_FILES)

/* Control word of a DMA command. */
#define DMA_ERROR  0x01
#define DMA_READ   0x02
#define DMA_SKIP   0x04
#define DMA_SELECT 0x08
#define DMA_WRITE  0x10

#define DMA_PAD_MAX (64 * KiB) /* zeroes written behind the end of an item by one command */

struct dma_command {
	uint32_t control, length;
	uint64_t address;
};

/* Entry of the directory, big-endian. */
struct file_entry {
	uint32_t size;
	uint16_t key;
	uint16_t reserved;
	char name[FW_CFG_MAX_NAME];
};

struct fw_cfg_hw {
	uint32_t offset; /* in the item; never beyond its end while it is the one that was chosen */
	uint32_t dma_high;
	uint16_t key;
	uint8_t pad[2];
};

struct item {
	uint8_t *data;
	uint32_t size;
	bool present;
	/* Of one that the guest may write; else NULL. */
	void (*written)(void *opaque, const uint8_t *data, uint32_t n);
	void *opaque;
};

struct fw_cfg {
	struct dev dev;
	struct fw_cfg_hw hw;        /* [s] */
	struct item items[2][KEYS]; /* lock; generic, architecture's own */
	struct file_entry files[FW_CFG_MAX_FILES];
	unsigned n_files;
	const char *refreshed; /* [c] a file that is brought up to date when it is selected */
	fw_cfg_refresh_fn *refresh;
	void *refresh_opaque;
	struct region ports, dma;
};

static struct fw_cfg *fw_cfg(struct dev *d)
{
	return container_of(d, struct fw_cfg, dev);
}

/* ---- items ----------------------------------------------------------------------------------- */

/* The place of @key, or NULL where there can be none. */
static struct item *item_at(struct fw_cfg *f, uint16_t key)
{
	unsigned n = key & ~(KEY_ARCH | KEY_WRITE);

	return n < KEYS ? &f->items[!!(key & KEY_ARCH)][n] : NULL;
}

static void item_set(struct item *it, const void *data, uint32_t n)
{
	g_free(it->data);
	*it = (struct item){.data = g_memdup2(data, n), .size = n, .present = true};
}

static void update_directory(struct fw_cfg *f)
{
	uint8_t buf[sizeof(uint32_t) + sizeof(f->files)];
	uint32_t count = htobe32(f->n_files);
	uint32_t size = sizeof(count) + f->n_files * (uint32_t)sizeof(f->files[0]);

	memcpy(buf, &count, sizeof(count));
	memcpy(buf + sizeof(count), f->files, size - sizeof(count));
	item_set(&f->items[0][FW_CFG_FILE_DIR], buf, size);
}

static int add_locked(struct fw_cfg *f, uint16_t key, const void *data, size_t n)
{
	struct item *it = key & KEY_WRITE ? NULL : item_at(f, key);

	if (!it)
		return -EINVAL;
	if (it->present)
		return -EEXIST;
	if (n > UINT32_MAX)
		return -ENOSPC;
	item_set(it, data, (uint32_t)n);
	return 0;
}

int fw_cfg_add(struct dev *d, uint16_t key, const void *data, size_t n)
{
	int err;

	dev_lock(d);
	err = add_locked(fw_cfg(d), key, data, n);
	dev_unlock(d);
	return err;
}

int fw_cfg_add_u16(struct dev *d, uint16_t key, uint16_t v)
{
	v = htole16(v);
	return fw_cfg_add(d, key, &v, sizeof(v));
}

int fw_cfg_add_u32(struct dev *d, uint16_t key, uint32_t v)
{
	v = htole32(v);
	return fw_cfg_add(d, key, &v, sizeof(v));
}

static struct file_entry *find_file(struct fw_cfg *f, const char *name)
{
	for (unsigned i = 0; i < f->n_files; i++) {
		if (strcmp(f->files[i].name, name) == 0)
			return &f->files[i];
	}
	return NULL;
}

static int put_file_locked(struct fw_cfg *f, const char *name, const void *data, size_t n)
{
	struct file_entry *e = find_file(f, name);

	if (strlen(name) >= FW_CFG_MAX_NAME)
		return -ENAMETOOLONG;
	if ((!e && f->n_files == FW_CFG_MAX_FILES) || n > UINT32_MAX)
		return -ENOSPC;
	if (!e) {
		e = &f->files[f->n_files];
		e->key = htobe16(FW_CFG_FILE_FIRST + f->n_files++);
		strcpy(e->name, name);
	}
	e->size = htobe32((uint32_t)n);
	item_set(&f->items[0][be16toh(e->key)], data, (uint32_t)n);
	update_directory(f);
	return 0;
}

int fw_cfg_add_file(struct dev *d, const char *name, const void *data, size_t n)
{
	int err = -EEXIST;

	dev_lock(d);
	if (!find_file(fw_cfg(d), name))
		err = put_file_locked(fw_cfg(d), name, data, n);
	dev_unlock(d);
	return err;
}

int fw_cfg_replace_file(struct dev *d, const char *name, const void *data, size_t n)
{
	int err;

	dev_lock(d);
	err = put_file_locked(fw_cfg(d), name, data, n);
	dev_unlock(d);
	return err;
}

int fw_cfg_add_writable(struct dev *d, const char *name, uint32_t n,
	void (*written)(void *opaque, const uint8_t *data, uint32_t n), void *opaque)
{
	g_autofree uint8_t *zeroes = g_malloc0(n);
	struct fw_cfg *f = fw_cfg(d);
	struct item *it;
	int err = -EEXIST;

	dev_lock(d);
	if (!find_file(f, name))
		err = put_file_locked(f, name, zeroes, n);
	if (!err) {
		it = &f->items[0][be16toh(find_file(f, name)->key)];
		it->written = written;
		it->opaque = opaque;
	}
	dev_unlock(d);
	return err;
}

/* ---- selector and data ports ----------------------------------------------------------------- */

void fw_cfg_on_select(struct dev *d, const char *name, fw_cfg_refresh_fn *fn, void *opaque)
{
	struct fw_cfg *f = fw_cfg(d);

	dev_lock(d);
	f->refreshed = name;
	f->refresh = fn;
	f->refresh_opaque = opaque;
	dev_unlock(d);
}

static void refresh(struct fw_cfg *f, uint16_t key)
{
	const struct file_entry *e = f->refreshed ? find_file(f, f->refreshed) : NULL;
	struct item *it;

	if (!e || be16toh(e->key) != key)
		return;
	it = item_at(f, key);
	f->refresh(f->refresh_opaque, it->data, it->size);
}

static void select_item(struct fw_cfg *f, uint16_t key)
{
	f->hw.key = key;
	f->hw.offset = 0;
	refresh(f, key);
}

/* What is left of the chosen item: at most @n bytes, at *@ret_data. */
static uint32_t item_rest(struct fw_cfg *f, uint32_t n, const uint8_t **ret_data)
{
	const struct item *it = item_at(f, f->hw.key);

	if (!it || f->hw.offset >= it->size)
		return 0;
	*ret_data = it->data + f->hw.offset;
	return MIN(n, it->size - f->hw.offset);
}

static uint64_t ports_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	struct fw_cfg *f = fw_cfg(d);
	const uint8_t *data;

	if (offset != FW_CFG_DATA)
		return ones(size);
	if (!item_rest(f, 1, &data))
		return 0;
	f->hw.offset++;
	return *data;
}

static void ports_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	if (size == 2)
		select_item(fw_cfg(d), (uint16_t)value);
}

static const struct region_ops ports_region = {
	.read = ports_read,
	.write = ports_write,
	.min = 1,
	.max = 2,
};

/* ---- DMA ------------------------------------------------------------------------------------- */

/* The chosen item to guest memory, and zeroes where it has ended. */
static int dma_read(struct fw_cfg *f, gpa_t to, uint32_t n)
{
	struct gmem *g = f->dev.bus->gmem;
	const uint8_t *data = NULL;
	uint32_t rest = item_rest(f, n, &data);
	gpa_t pad;
	int err;

	if (n - rest > DMA_PAD_MAX || !gpa_add(to, rest, &pad))
		return -EINVAL;
	err = gmem_write(g, to, data, rest);
	if (!err)
		err = gmem_fill(g, pad, 0, n - rest);
	f->hw.offset += rest;
	return err;
}

/* All of it has to lie within the item. */
static int dma_write(struct fw_cfg *f, gpa_t from, uint32_t n)
{
	struct item *it = item_at(f, f->hw.key);
	const uint8_t *rest;
	int err;

	if (!it || !it->written)
		return -EACCES;
	if (item_rest(f, n, &rest) < n)
		return -EINVAL;
	err = gmem_read(f->dev.bus->gmem, from, it->data + f->hw.offset, n);
	if (err < 0)
		return err;
	f->hw.offset += n;
	it->written(it->opaque, it->data, it->size);
	return 0;
}

static int dma_execute(struct fw_cfg *f, const struct dma_command *c)
{
	const uint8_t *data;

	if (c->control & DMA_SELECT)
		select_item(f, (uint16_t)(c->control >> 16));
	if (c->control & DMA_READ)
		return dma_read(f, GPA(c->address), c->length);
	if (c->control & DMA_WRITE)
		return dma_write(f, GPA(c->address), c->length);
	if (c->control & DMA_SKIP)
		f->hw.offset += item_rest(f, c->length, &data);
	return 0;
}

/* The command's own control word is the answer: 0, or its error bit. */
static void dma_start(struct fw_cfg *f, gpa_t at)
{
	struct gmem *g = f->dev.bus->gmem;
	struct dma_command c;
	uint32_t answer;
	int err = gmem_read(g, at, &c, sizeof(c));

	if (!err) {
		c = (struct dma_command){be32toh(c.control), be32toh(c.length), be64toh(c.address)};
		err = dma_execute(f, &c);
	}
	answer = htobe32(err < 0 ? DMA_ERROR : 0);
	if (gmem_write(g, at, &answer, sizeof(answer)) < 0 || err < 0)
		dev_guest_error(&f->dev, "DMA command at 0x%" PRIx64 " failed", at.v);
}

static uint64_t dma_port_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	static const char signature[] = "QEMU CFG";
	uint64_t v = 0;

	memcpy(&v, signature + offset, size);
	return le64toh(v);
}

/* Halves only: the value of a port access is little-endian, the register is not. */
static void dma_port_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct fw_cfg *f = fw_cfg(d);
	uint32_t half = be32toh(htole32((uint32_t)value));

	if (size != 4)
		return;
	if (offset != FW_CFG_DMA_LOW) {
		f->hw.dma_high = half;
		return;
	}
	dma_start(f, GPA((uint64_t)f->hw.dma_high << 32 | half));
	f->hw.dma_high = 0;
}

static const struct region_ops dma_region = {
	.read = dma_port_read,
	.write = dma_port_write,
	.min = 1,
	.max = 4,
};

/* ---- life ------------------------------------------------------------------------------------ */

static bool fw_cfg_realize(struct dev *d, GError **error)
{
	struct fw_cfg *f = fw_cfg(d);
	uint32_t id = htole32(FW_CFG_HAS_PORTS | FW_CFG_HAS_DMA);

	item_set(&f->items[0][FW_CFG_SIGNATURE], "QEMU", 4);
	item_set(&f->items[0][FW_CFG_ID], &id, sizeof(id));
	update_directory(f);
	region_init_io(&f->ports, d, &ports_region, "fw_cfg", BUS_PIO, 2);
	region_init_io(&f->dma, d, &dma_region, "fw_cfg-dma", BUS_PIO, 8);
	return region_map(d->bus, &f->ports, FW_CFG_PORT, REGION_PRIO_DEVICE) == 0 &&
	       region_map(d->bus, &f->dma, FW_CFG_DMA_PORT, REGION_PRIO_DEVICE) == 0;
}

/* What the guest has written is forgotten, by its owner too. */
static void fw_cfg_reset(struct dev *d, enum reset_kind kind)
{
	struct fw_cfg *f = fw_cfg(d);

	f->hw = (struct fw_cfg_hw){.key = FW_CFG_SIGNATURE};
	for (unsigned i = 0; i < f->n_files; i++) {
		struct item *it = &f->items[0][FW_CFG_FILE_FIRST + i];

		if (it->written)
			memset(it->data, 0, it->size);
	}
}

static void fw_cfg_unrealize(struct dev *d)
{
	struct fw_cfg *f = fw_cfg(d);

	for (unsigned i = 0; i < 2; i++) {
		for (unsigned key = 0; key < KEYS; key++)
			g_free(f->items[i][key].data);
	}
}

static const struct state_field fw_cfg_fields[] = {
	ST_U(struct fw_cfg_hw, offset),
	ST_U(struct fw_cfg_hw, dma_high),
	ST_U(struct fw_cfg_hw, key),
	ST_PAD(struct fw_cfg_hw, pad),
	ST_END,
};

static const struct state_desc fw_cfg_state = {
	.name = "fw_cfg",
	.version = 1,
	.size = sizeof(struct fw_cfg_hw),
	.fields = fw_cfg_fields,
};

const struct dev_ops fw_cfg_ops = {
	.name = "fw_cfg",
	.doc = "what the machine tells its firmware: tables, boot order, kernel",
	.size = sizeof(struct fw_cfg),
	.realize = fw_cfg_realize,
	.reset = fw_cfg_reset,
	.unrealize = fw_cfg_unrealize,
	.state =
		(const struct dev_part[]){
			{&fw_cfg_state, offsetof(struct fw_cfg, hw)},
			{.desc = NULL},
		},
};

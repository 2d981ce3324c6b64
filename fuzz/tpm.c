/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Either interface of a TPM; the first byte chooses. Commands are held, end in their time, or fail.
 */
#include <errno.h>

#include "tests/lib/board-fuzz.h"
#include "tests/lib/fake-tpm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void host(struct board *b, uint8_t what, uint8_t v, void *opaque)
{
	struct fake_tpm *f = opaque;

	switch (what % 4) {
	case 0: f->hold = v & 1; break;
	case 1: fake_tpm_complete(f); break;
	case 2: f->fail = v & 1 ? -EIO : v; break;
	case 3: board_poll(b); break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_range tis[] = {{TPM_BASE, 0x5000}, {0}};
	static const struct fuzz_range crb[] = {{TPM_BASE, 0x1000}, {0}};
	bool is_tis = size && data[0] & 1;
	struct fuzz_target target = {.space = BUS_MMIO, .ranges = is_tis ? tis : crb, .own = host};
	struct fake_tpm *f;
	struct board b;
	struct dev *d;

	board_init(&b);
	f = target.opaque = fake_tpm_new(b.loop);
	d = dev_new(b.bus, is_tis ? &tpm_tis_ops : &tpm_crb_ops, "tpm");
	tpm_set_backend(d, &f->backend);
	board_realize(&b, d);
	board_fuzz(&b, &target, size ? data + 1 : data, size ? size - 1 : 0);
	board_done(&b);
	tpm_backend_free(&f->backend);
	return 0;
}

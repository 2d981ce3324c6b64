/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection to the control socket of a VM, byte for byte from a client. Every call is answered
 * with zeroes, and each line that goes out must be JSON.
 */
#include <stdlib.h>

#include "api/json.h"
#include "api/jsonrpc.h"
#include "api/prop-json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer(void *process, struct op_call *call)
{
	void *result = call->op->result ? prop_object_new(call->op->result) : NULL;
	const struct prop_table *t = call->op->result;

	op_return(call, result);
	if (t)
		prop_object_free(t, result);
}

static void refuse(void *process, struct op_call *call)
{
	op_fail_with(call, VMMD_ERROR_STATE, "not now");
}

static const struct vm_handlers handlers = {
	.status = answer,
	.pause = answer,
	.resume = refuse,
	.shutdown = answer,
	.reset = refuse,
	.stop = answer,
	.stats = answer,
};

static const struct op_service service = {.ops = vm_operations, .handlers = &handlers};

static void check_line(void *opaque, const char *line, size_t len)
{
	g_autoptr(json_object) json = NULL;

	if (line[len - 1] != '\n' || !json_parse(line, len, &json, NULL) || !json)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jsonrpc_conn *c = jsonrpc_conn_new(&service, OP_ADMIN, check_line, NULL);
	size_t half = size / 2;

	if (jsonrpc_conn_feed(c, (const char *)data, half))
		jsonrpc_conn_feed(c, (const char *)data + half, size - half);
	jsonrpc_conn_free(c);
	return 0;
}

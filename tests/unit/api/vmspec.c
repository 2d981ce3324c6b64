/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/vmspec.h"

#include <fcntl.h>
#include <string.h>

#include "api/json.h"
#include "api/prop-json.h"
#include "base/error.h"

static struct vm_spec *parse(const char *text)
{
	GError *e = NULL;
	struct vm_spec *s = vm_spec_parse(text, strlen(text), &e);

	g_assert_no_error(e);
	g_assert_nonnull(s);
	return s;
}

static char *encoded(const struct vm_spec *s)
{
	g_autoptr(json_object) json = vm_spec_encode(s);

	return json_text(json, NULL);
}

static const char full[] =
	"{\"name\":\"web-1\",\"uuid\":\"0d3f6f2e-7a56-4f0e-9d0a-0f5a6ad0c5f1\",\"accel\":\"qtest\","
	"\"memory\":{\"size\":1073741824,\"shared\":true,\"page-size\":2097152,\"prealloc\":true,"
	"\"max\":2147483648,\"slots\":4},"
	"\"cpus\":{\"count\":3,\"max\":4,\"sockets\":2,\"cores\":2,\"threads\":1},"
	"\"numa\":[{\"cpus\":\"0-1\",\"memory\":1073741824},{\"cpus\":\"2,3\"}],"
	"\"boot\":{\"firmware\":\"/fw\",\"vars\":\"/vars\",\"secure\":true,\"kernel\":\"/boot/"
	"vmlinuz\","
	"\"kernel-entry\":\"firmware\",\"initrd\":\"/boot/"
	"initrd\",\"cmdline\":\"console=ttyS0\",\"order\":\"cdn\",\"menu\":true,\"menu-timeout\":"
	"3000,"
	"\"fail-timeout\":10,\"roms\":[{\"file\":\"/rom\",\"bootindex\":3}]},"
	"\"features\":{\"hpet\":true,\"smm\":\"on\",\"pvpanic\":true,"
	"\"genid\":\"0d3f6f2e-7a56-4f0e-9d0a-0f5a6ad0c5f2\"},"
	"\"smbios\":{\"bios\":{\"vendor\":\"V\"},\"system\":{\"manufacturer\":\"M\",\"family\":"
	"\"F\"},"
	"\"chassis\":{\"asset\":\"A\"},\"oem-strings\":[\"one\",\"two\"]},"
	"\"controllers\":[{\"type\":\"ide\",\"id\":\"ide\",\"addr\":\"1.1\"},{\"type\":\"xhci\"}],"
	"\"disks\":[{\"id\":\"root\",\"file\":\"/var/"
	"root.img\",\"cache\":\"none\",\"serial\":\"ABC123\","
	"\"read-error\":\"stop\",\"write-error\":\"ignore\",\"bootindex\":1,\"queues\":2,\"queue-"
	"size\":128,"
	"\"addr\":\"5\",\"logical-block\":512,\"physical-block\":4096},"
	"{\"id\":\"old\",\"bus\":\"ide\",\"controller\":\"ide\",\"unit\":3,\"file\":\"/var/"
	"old.img\","
	"\"model\":\"QUANTUM FIREBALL\",\"wwn\":5},"
	"{\"device\":\"cdrom\",\"bus\":\"sata\"},{\"device\":\"floppy\",\"bus\":\"fdc\"},"
	"{\"bus\":\"usb\",\"removable\":true,\"file\":\"/var/stick.img\"},"
	"{\"id\":\"scratch\",\"driver\":\"null\",\"size\":1048576,\"readonly\":true,\"serial\":"
	"\"X\","
	"\"addr\":\"1f.2\"}],"
	"\"nics\":[{\"model\":\"e1000e\",\"root-port\":\"p\",\"rom\":\"/"
	"e1000e.rom\"},{\"id\":\"lan\",\"mac\":\"52:54:00:01:02:03\",\"backend\":{\"network\":"
	"\"192."
	"168.7.0/24\","
	"\"restrict\":true,\"forwards\":[{\"protocol\":\"udp\",\"host-address\":\"127.0.0.2\","
	"\"host-port\":8080,"
	"\"guest-port\":80}],\"hostname\":\"web\"},\"addr\":\"6\",\"mtu\":1400}],"
	"\"serials\":[{\"id\":\"com1\",\"chardev\":{\"type\":\"socket\",\"listen\":\"/run/"
	"x\",\"history\":4096}},"
	"{\"id\":\"com2\",\"chardev\":{\"type\":\"file\",\"path\":\"/tmp/log\"}}],"
	"\"consoles\":[{\"id\":\"con\",\"chardev\":{\"type\":\"pty\"},\"addr\":\"7\"}],"
	"\"rng\":{\"addr\":\"8\"},"
	"\"inputs\":[{},{\"type\":\"keyboard\",\"unit\":2}],"
	"\"display\":{\"vram\":33554432},"
	"\"vnc\":{\"listen\":\"/run/vnc\",\"address\":\"::1\",\"port\":5901,\"websocket\":5701,"
	"\"password\":\"secret\"},"
	"\"sounds\":[{}],"
	"\"tpm\":{\"socket\":\"/run/swtpm\",\"model\":\"tis\"},"
	"\"fw-cfg\":[{\"name\":\"opt/org.test\",\"string\":\"hello\"}],"
	"\"devices\":[{\"type\":\"isa-debugcon\",\"id\":\"dbg\",\"chardev\":{},\"addr\":\"9\","
	"\"iobase\":\"1026\","
	"\"verbose\":\"true\"}],"
	"\"on-reboot\":\"shutdown\",\"on-crash\":\"pause\",\"autostart\":true}";

static void test_round_trip(void)
{
	struct vm_spec *s = parse(full), *again;
	g_autofree char *text = encoded(s), *whole = NULL, *text2 = NULL;
	g_autoptr(json_object) json = NULL;

	g_assert_cmpstr(text, ==, full);
	/* What is encoded with all its defaults decodes to the same. */
	json = prop_encode(&vm_spec_table, s, 0);
	whole = json_text(json, NULL);
	g_assert_cmpuint(strlen(whole), >, strlen(full));
	again = parse(whole);
	text2 = encoded(again);
	g_assert_cmpstr(text2, ==, full);
	vm_spec_free(again);
	vm_spec_free(s);
}

static void test_fields(void)
{
	struct vm_spec *s = parse(full);

	g_assert_cmpuint(s->n_disks, ==, 6);
	g_assert_cmpint(s->disks[0]->cache, ==, SPEC_CACHE_NONE);
	g_assert_cmpint(s->disks[0]->write_error, ==, SPEC_ERROR_IGNORE);
	g_assert_cmpint(s->disks[5]->addr.slot, ==, 0x1f);
	g_assert_cmpint(s->disks[5]->addr.function, ==, 2);
	g_assert_cmphex(s->nics[1]->mac[5], ==, 3);
	g_assert_cmpuint(s->nics[1]->backend->forwards[0]->host_port, ==, 8080);
	g_assert_cmpstr(s->devices[0]->props[0], ==, "iobase=1026");
	g_assert_cmpstr(s->devices[0]->props[1], ==, "verbose=true");
	g_assert_null(s->devices[0]->props[2]);
	g_assert_cmpint(s->boot->firmware.fd, ==, -1);
	g_assert_cmpuint(s->disks[1]->unit, ==, 3);
	g_assert_cmpuint(s->disks[2]->unit, ==, SPEC_UNIT_ANY);
	g_assert_null(s->disks[2]->file.path);
	vm_spec_free(s);
}

static void test_forms(void)
{
	struct vm_spec *s = parse("{\"name\":\"a\",\"machine\":\"pc\",\"memory\":{\"size\":\"2G\"},"
				  "\"devices\":[{\"type\":\"x\",\"n\":5,\"on\":true}]}");

	g_assert_cmpint(s->machine, ==, SPEC_MACHINE_PC);
	g_assert_cmpuint(s->memory->size, ==, 2 * GiB);
	g_assert_cmpstr(s->devices[0]->props[0], ==, "n=5");
	g_assert_cmpstr(s->devices[0]->props[1], ==, "on=true");
	g_assert_null(s->cpus);
	vm_spec_free(s);
}

#define VM(members)   "{\"name\":\"a\"," members "}"
#define DISK(members) VM("\"disks\":[{\"file\":\"/f\"},{" members "}]")
#define NET(members)  VM("\"nics\":[{\"backend\":{" members "}}]")
#define CHR(members)  VM("\"serials\":[{\"chardev\":{" members "}}]")

static const struct {
	const char *text, *message;
} refused[] = {
	{"[]", "vm: must be an object, not an array"},
	{"null", "/name: is required"},
	{"{}", "/name: is required"},
	{"{\"name\":\"\"}", "vm: name must be 1 to 64 of"},
	{"{\"name\":\"../x\"}", "vm: name must be 1 to 64 of"},
	{"{\"name\":\".x\"}", "vm: name must be 1 to 64 of"},
	{"{\"name\":\"a/b\"}", "vm: name must be 1 to 64 of"},
	{"{\"name\":\"\\u00e9\"}", "vm: name must be 1 to 64 of"},
	{"{\"name\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
		"/name: is 65 bytes long, the limit is 64"},
	{"{\"name\":5}", "/name: must be a string, not 5"},
	{"{\"name\":null}", "/name: must be a string, not null"},
	{VM("\"nam\":1"), "/nam: is not known; vm has name, uuid, machine"},
	{VM("\"a/b~c\":1"), "/a~1b~0c: is not known"},
	{VM("\"name\":\"b\""), "/name: is given twice"},
	{VM("\"uuid\":\"x\""), "/uuid: must be a UUID, not 'x'"},
	{VM("\"machine\":\"pc-9.9\""),
		"/machine: must be one of pc-1.0, q35-1.0, pc, q35, not 'pc-9.9'"},
	{VM("\"machine\":0"), "/machine: must be a string, not 0"},
	{VM("\"accel\":\"tcg\""), "/accel: must be one of kvm, qtest, not 'tcg'"},
	{VM("\"autostart\":1"), "/autostart: must be true or false, not 1"},
	{VM("\"autostart\":\"yes\""), "/autostart: must be true or false, not 'yes'"},
	{VM("\"memory\":null"), "/memory: must be an object, not null"},
	{VM("\"memory\":[]"), "/memory: must be an object, not an array"},
	{VM("\"memory\":{\"size\":0}"), "/memory/size: must be an integer from 1048576 to"},
	{VM("\"memory\":{\"size\":-1}"), "not -1"},
	{VM("\"memory\":{\"size\":1e9}"), "/memory/size: must be an integer from"},
	{VM("\"memory\":{\"size\":18446744073709551615}"), "/memory/size: must be an integer from"},
	{VM("\"memory\":{\"size\":99999999999999999999999}"),
		"/memory/size: must be an integer from"},
	{VM("\"memory\":{\"size\":true}"), "/memory/size: must be an integer from"},
	{VM("\"memory\":{\"size\":\"5T\"}"), "/memory/size: must be from"},
	{VM("\"memory\":{\"size\":\"12 apples\"}"),
		"/memory/size: must be a size such as 512M, not '12 apples'"},
	{VM("\"memory\":{\"size\":1048577}"), "/memory: size must be a multiple of 1M"},
	{VM("\"memory\":{\"page-size\":4096}"), "/memory: page-size must be 0, 2M or 1G"},
	{VM("\"memory\":{\"size\":\"3M\",\"page-size\":\"2M\"}"),
		"/memory: size must be a multiple of page-size"},
	{VM("\"cpus\":{\"count\":0}"), "/cpus/count: must be an integer from 1 to 240, not 0"},
	{VM("\"cpus\":{\"count\":241}"), "/cpus/count: must be an integer from 1 to 240, not 241"},
	{VM("\"cpus\":{\"count\":5,\"sockets\":2,\"cores\":2,\"threads\":1}"),
		"/cpus: sockets × cores × threads"},
	{VM("\"cpus\":{\"count\":3,\"max\":2}"), "/cpus: max must be at least count"},
	{VM("\"memory\":{\"size\":\"1G\",\"max\":\"2G\"}"), "/memory: max above size and slots"},
	{VM("\"memory\":{\"size\":\"1G\",\"max\":\"512M\"}"), "/memory: max must be a multiple"},
	{VM("\"numa\":[{\"cpus\":\"0-\"}]"), "/numa/0: cpus must be a list"},
	{VM("\"numa\":[{\"cpus\":\"3-1\"}]"), "/numa/0: cpus must be a list"},
	{VM("\"numa\":[{\"cpus\":\"0-240\"}]"), "/numa/0: cpus must be a list"},
	{VM("\"numa\":[{\"cpus\":\"1,\"}]"), "/numa/0: cpus must be a list"},
	{VM("\"cpus\":{\"sockets\":240,\"cores\":240,\"threads\":240}"),
		"/cpus: sockets × cores × threads"},
	{VM("\"boot\":{\"initrd\":\"/i\"}"), "/boot: initrd needs a kernel"},
	{VM("\"boot\":{\"cmdline\":\"x\"}"), "/boot: cmdline needs a kernel"},
	{VM("\"boot\":{\"vars\":\"/v\"}"), "/boot: vars needs a firmware"},
	{VM("\"boot\":{\"firmware\":\"/f\",\"secure\":true}"), "/boot: secure needs vars"},
	{VM("\"boot\":{\"kernel-entry\":\"firmware\"}"), "/boot: kernel-entry needs a kernel"},
	{VM("\"boot\":{\"kernel\":\"/k\",\"kernel-rom\":\"/r\"}"),
		"/boot: kernel-rom is for kernel-entry firmware"},
	{VM("\"boot\":{\"order\":\"cx\"}"), "/boot: order must be of"},
	{VM("\"boot\":{\"roms\":[{}]}"), "/boot/roms/0: needs a file"},
	{VM("\"vnc\":{\"port\":5900}"), "vm: vnc needs a display"},
	{VM("\"display\":{},\"vnc\":{}"), "/vnc: needs listen, port or websocket"},
	{VM("\"display\":{},\"vnc\":{\"port\":5900,\"address\":\"here\"}"),
		"/vnc: address must be"},
	{VM("\"display\":{},\"vnc\":{\"port\":5900,\"password\":\"123456789\"}"),
		"/vnc/password: is 9 bytes long, the limit is 8"},
	{VM("\"display\":{},\"vnc\":{\"port\":5900,\"tls-cert\":\"/c\"}"),
		"/vnc: tls-cert and tls-key"},
	{VM("\"display\":{\"vram\":\"3M\"}"), "/display: vram must be a power of two"},
	{VM("\"tpm\":{}"), "/tpm: needs a socket"},
	{VM("\"controllers\":[{}]"), "/controllers/0/type: is required"},
	{VM("\"controllers\":[{\"type\":\"mfm\"}]"),
		"/controllers/0/type: must be one of ide, ahci"},
	{VM("\"nics\":[{\"model\":\"e1000\",\"mtu\":1500}]"), "/nics/0: mtu is for model virtio"},
	{DISK("\"file\":\"/g\",\"device\":\"floppy\",\"bus\":\"ide\""),
		"/disks/1: there is no floppy on bus ide"},
	{DISK("\"file\":\"/g\",\"device\":\"cdrom\",\"bus\":\"virtio\""),
		"/disks/1: there is no cdrom on bus virtio"},
	{DISK("\"file\":\"/g\",\"model\":\"\\u00e4\""), "/disks/1: model must be printable ASCII"},
	{VM("\"boot\":{\"kernel\":\"\"}"), "/boot/kernel: must be a path, not ''"},
	{VM("\"disks\":{}"), "/disks: must be an array, not an object"},
	{VM("\"disks\":[null]"), "/disks/0: must be an object, not null"},
	{VM("\"disks\":[{}]"), "/disks/0: driver file needs a file"},
	{DISK("\"file\":\"/g\",\"cache\":\"x\""),
		"/disks/1/cache: must be one of none, writeback, writethrough, unsafe, not 'x'"},
	{DISK("\"file\":\"/g\",\"size\":4096"), "/disks/1: size is for driver null"},
	{DISK("\"driver\":\"null\""), "/disks/1: driver null needs a size"},
	{DISK("\"driver\":\"null\",\"size\":5"), "/disks/1: size must be a multiple of 4096"},
	{DISK("\"driver\":\"null\",\"size\":4096,\"file\":\"/f\""),
		"/disks/1: driver null needs a size and takes no file"},
	{DISK("\"file\":\"/g\",\"serial\":\"123456789012345678901\""),
		"/disks/1/serial: is 21 bytes long, the limit is 20"},
	{DISK("\"file\":\"/g\",\"serial\":\"a b\""), "/disks/1: serial must be printable ASCII"},
	{DISK("\"file\":\"/g\",\"queue-size\":100"), "/disks/1: queue-size must be a power of two"},
	{DISK("\"file\":\"/g\",\"queues\":0"),
		"/disks/1/queues: must be an integer from 1 to 64, not 0"},
	{DISK("\"file\":\"/g\",\"logical-block\":1024"),
		"/disks/1: logical-block must be 0, 512 or 4096"},
	{DISK("\"file\":\"/g\",\"logical-block\":4096,\"physical-block\":512"),
		"/disks/1: physical-block must be at least"},
	{DISK("\"file\":\"/g\",\"physical-block\":600"),
		"/disks/1: physical-block must be 0 or a power of two"},
	{DISK("\"file\":\"/g\",\"addr\":\"20\""), "/disks/1/addr: must be a PCI slot"},
	{DISK("\"file\":\"/g\",\"id\":\"a b\""), "/disks/1: id must be 1 to 64 of"},
	{VM("\"nics\":[{\"mac\":\"01:00:00:00:00:00\"}]"),
		"/nics/0/mac: must not be a multicast address"},
	{VM("\"nics\":[{\"mac\":\"52:54:00\"}]"), "/nics/0/mac: must be like"},
	{VM("\"nics\":[{\"mtu\":5}]"), "/nics/0: mtu must be 0 or at least 68"},
	{NET("\"type\":\"bridge\""), "/nics/0/backend/type: must be one of user, fd, not 'bridge'"},
	{NET("\"network\":\"10.0.2.0\""), "/nics/0/backend: network must be like"},
	{NET("\"network\":\"10.0.2.0/30\""), "/nics/0/backend: network must be like"},
	{NET("\"network\":\"10.0.2.1/24\""), "/nics/0/backend: network has bits set"},
	{NET("\"hostname\":\"-x\""), "/nics/0/backend: hostname must be letters"},
	{NET("\"type\":\"fd\",\"restrict\":true"), "/nics/0/backend: network, restrict, forwards"},
	{NET("\"fd\":\"/dev/tap1\""), "/nics/0/backend: fd is for type fd"},
	{NET("\"forwards\":[{}]"), "/nics/0/backend/forwards/0/host-port: is required"},
	{NET("\"forwards\":[{\"host-port\":0,\"guest-port\":1}]"),
		"/nics/0/backend/forwards/0/host-port: must be an integer from 1 to 65535, not 0"},
	{NET("\"forwards\":[{\"host-port\":1,\"guest-port\":1,\"protocol\":\"ip\"}]"),
		"/nics/0/backend/forwards/0: protocol must be one of tcp, udp"},
	{NET("\"forwards\":[{\"host-port\":1,\"guest-port\":1,\"host-address\":\"::1\"}]"),
		"/nics/0/backend/forwards/0: host-address must be an IPv4 address"},
	{CHR("\"type\":\"tcp\""),
		"/serials/0/chardev/type: must be one of null, pty, socket, file, stdio"},
	{CHR("\"type\":\"file\""), "/serials/0/chardev: type file needs a path"},
	{CHR("\"path\":\"/x\""), "/serials/0/chardev: path is for type file"},
	{CHR("\"listen\":\"/x\""), "/serials/0/chardev: listen is for type socket"},
	{CHR("\"history\":\"17M\""), "/serials/0/chardev/history: must be from 0 to"},
	{VM("\"fw-cfg\":[{}]"), "/fw-cfg/0/name: is required"},
	{VM("\"fw-cfg\":[{\"name\":\"x\",\"string\":\"\"}]"),
		"/fw-cfg/0: name must begin with opt/"},
	{VM("\"fw-cfg\":[{\"name\":\"opt/x\"}]"), "/fw-cfg/0: needs one of string and file"},
	{VM("\"fw-cfg\":[{\"name\":\"opt/x\",\"string\":\"\",\"file\":\"/f\"}]"),
		"/fw-cfg/0: needs one of"},
	{VM("\"devices\":[{}]"), "/devices/0/type: is required"},
	{VM("\"devices\":[{\"type\":\"x\",\"a=b\":1}]"),
		"/devices/0/a=b: is not the name of a property"},
	{VM("\"devices\":[{\"type\":\"x\",\"a\":{}}]"),
		"/devices/0/a: must be a string, an integer, true or false"},
	{VM("\"devices\":[{\"type\":\"x\",\"a\":1.5}]"),
		"/devices/0/a: must be a string, an integer, true or false"},
};

static void test_refused(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		g_autoptr(GError) e = NULL;

		g_test_message("%s", refused[i].text);
		g_assert_null(vm_spec_parse(refused[i].text, strlen(refused[i].text), &e));
		g_assert_error(e, VMMD_ERROR, VMMD_ERROR_INVALID);
		g_test_message("-> %s", e->message);
		g_assert_nonnull(strstr(e->message, refused[i].message));
	}
}

static void test_list_limit(void)
{
	g_autoptr(GString) text = g_string_new("{\"name\":\"a\",\"serials\":[{}");
	g_autoptr(GError) e = NULL;

	for (unsigned i = 1; i < PROP_MAX_LIST; i++)
		g_string_append(text, ",{}");
	g_string_append(text, "]}");
	vm_spec_free(parse(text->str));
	g_string_truncate(text, text->len - 2);
	g_string_append(text, ",{}]}");
	g_assert_null(vm_spec_parse(text->str, text->len, &e));
	g_assert_nonnull(strstr(e->message, "/serials: has 257 entries, the limit is 256"));
}

static void test_extra_limit(void)
{
	g_autoptr(GString) text = g_string_new("{\"name\":\"a\",\"devices\":[{\"type\":\"x\"");
	g_autoptr(GError) e = NULL;

	for (unsigned i = 0; i <= PROP_EXTRA_MAX; i++)
		g_string_append_printf(text, ",\"p%u\":1", i);
	g_string_append(text, "}]}");
	g_assert_null(vm_spec_parse(text->str, text->len, &e));
	g_assert_nonnull(strstr(e->message, "/devices/0/p64: is one property too many"));
}

static const char sparse[] =
	"{\"name\":\"a\",\"cpus\":{\"count\":4,\"threads\":2},\"disks\":[{\"file\":\"/1\"},"
	"{\"file\":\"/2\",\"addr\":\"4\"},{\"file\":\"/3\",\"id\":\"disk0\"},{\"file\":\"/"
	"4\",\"addr\":\"6.1\"}],"
	"\"nics\":[{},{}],\"serials\":[{}],\"consoles\":[{}],\"rng\":{},\"devices\":[{\"type\":"
	"\"x\",\"addr\":\"3\"},"
	"{\"type\":\"y\"}]}";

static void test_complete(void)
{
	struct vm_spec *s = parse(sparse), *again;
	g_autofree char *once = NULL, *twice = NULL, *decoded = NULL;
	GError *e = NULL;

	g_assert_true(vm_spec_complete(s, &e));
	g_assert_no_error(e);
	g_assert_cmpuint(s->memory->size, ==, 512 * MiB);
	g_assert_nonnull(s->boot);
	g_assert_cmpuint(s->cpus->sockets * s->cpus->cores * s->cpus->threads, ==, 4);
	g_assert_cmpuint(s->cpus->cores, ==, 2);
	g_assert_cmpuint(s->cpus->threads, ==, 2);

	g_assert_cmphex(s->uuid[6] & 0xf0, ==, 0x40);
	g_assert_cmphex(s->uuid[8] & 0xc0, ==, 0x80);
	g_assert_cmpstr(s->disks[0]->id, ==, "disk1");
	g_assert_cmpstr(s->disks[1]->id, ==, "disk2");
	g_assert_cmpstr(s->disks[2]->id, ==, "disk0");
	g_assert_cmpstr(s->nics[1]->id, ==, "net1");
	g_assert_cmpstr(s->serials[0]->id, ==, "serial0");
	g_assert_cmpstr(s->consoles[0]->id, ==, "console0");
	g_assert_cmpstr(s->devices[1]->id, ==, "dev1");

	/* 3 is the device's, 4 and 6 are given. */
	g_assert_cmpint(s->disks[0]->addr.slot, ==, 5);
	g_assert_cmpint(s->disks[2]->addr.slot, ==, 7);
	g_assert_cmpint(s->nics[0]->addr.slot, ==, 8);
	g_assert_cmpint(s->nics[1]->addr.slot, ==, 9);
	g_assert_cmpint(s->consoles[0]->addr.slot, ==, 10);
	g_assert_cmpint(s->rng->addr.slot, ==, 11);
	g_assert_cmpint(s->devices[1]->addr.slot, ==, -1);

	g_assert_cmpmem(s->nics[0]->mac, 3, "\x52\x54\x00", 3);
	g_assert_cmpint(memcmp(s->nics[0]->mac, s->nics[1]->mac, 6), !=, 0);
	g_assert_cmpint(s->nics[0]->backend->type, ==, SPEC_NET_USER);
	g_assert_cmpuint(strlen(s->disks[0]->serial), ==, 20);
	g_assert_cmpstr(s->disks[0]->serial, !=, s->disks[1]->serial);

	once = encoded(s);
	g_assert_true(vm_spec_complete(s, &e));
	twice = encoded(s);
	g_assert_cmpstr(once, ==, twice);
	again = parse(once);
	g_assert_true(vm_spec_complete(again, &e));
	decoded = encoded(again);
	g_assert_cmpstr(once, ==, decoded);
	vm_spec_free(again);
	vm_spec_free(s);
}

/* Each disk and input in the form "controller unit", each controller in the form "id slot.function". */
static char *places(const struct vm_spec *s)
{
	GString *t = g_string_new(NULL);

	for (size_t i = 0; i < s->n_disks; i++) {
		if (s->disks[i]->controller)
			g_string_append_printf(
				t, "%s %u, ", s->disks[i]->controller, s->disks[i]->unit);
	}
	for (size_t i = 0; i < s->n_inputs; i++)
		g_string_append_printf(t, "%s %u, ", s->inputs[i]->controller, s->inputs[i]->unit);
	for (size_t i = 0; i < s->n_controllers; i++)
		g_string_append_printf(t, "%s %x.%x, ", s->controllers[i]->id,
			(unsigned)(uint8_t)s->controllers[i]->addr.slot,
			(unsigned)(uint8_t)s->controllers[i]->addr.function);
	g_string_truncate(t, t->len - 2);
	return g_string_free(t, FALSE);
}

#define CD   "{\"device\":\"cdrom\"}"
#define IDE  "{\"bus\":\"ide\",\"file\":\"/f\"}"
#define SATA "{\"bus\":\"sata\",\"file\":\"/f\"}"
#define USB  "{\"bus\":\"usb\",\"file\":\"/f\"}"

static const struct {
	const char *text, *places;
} placed[] = {
	{VM("\"disks\":[" IDE "," CD ",{\"device\":\"floppy\"}]"),
		"ide0 0, ide0 1, fdc0 0, ide0 1.1, fdc0 ff.ff"},
	{VM("\"machine\":\"q35\",\"disks\":[" CD "," SATA "]"), "ahci0 0, ahci0 1, ahci0 1f.2"},
	{VM("\"disks\":[" SATA "]"), "ahci0 0, ahci0 3.0"},
	/* A place that is asked for is kept from those that come earlier. */
	{VM("\"disks\":[" IDE ",{\"bus\":\"ide\",\"file\":\"/g\",\"controller\":\"x\",\"unit\":0}],"
	    "\"controllers\":[{\"type\":\"ide\",\"id\":\"x\"}]"),
		"x 1, x 0, x 1.1"},
	/* A full controller is followed by another; only the first is where the chipset has it. */
	{VM("\"inputs\":[{},{\"type\":\"keyboard\"},{}]"),
		"uhci0 1, uhci0 2, uhci1 1, uhci0 1.2, uhci1 3.0"},
	{VM("\"machine\":\"q35\",\"disks\":[" USB "],\"inputs\":[{}]"),
		"xhci0 1, xhci0 2, xhci0 3.0"},
	{VM("\"controllers\":[{\"type\":\"xhci\"}],\"inputs\":[{}]"), "xhci0 1, xhci0 3.0"},
	{VM("\"machine\":\"q35\",\"controllers\":[{\"type\":\"root-port\",\"id\":\"p\"},"
	    "{\"type\":\"xhci\",\"root-port\":\"p\"}]"),
		"p 3.0, xhci0 0.0"},
	{VM("\"disks\":[{\"bus\":\"scsi\",\"file\":\"/f\"}]"), "scsi0 0, scsi0 3.0"},
};

static void test_places(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(placed); i++) {
		struct vm_spec *s = parse(placed[i].text), *again;
		g_autofree char *text = NULL, *once = NULL, *twice = NULL;
		GError *e = NULL;

		g_assert_true(vm_spec_complete(s, &e));
		g_assert_no_error(e);
		text = places(s);
		g_assert_cmpstr(text, ==, placed[i].places);
		once = encoded(s);
		again = parse(once);
		g_assert_true(vm_spec_complete(again, &e));
		twice = encoded(again);
		g_assert_cmpstr(once, ==, twice);
		vm_spec_free(again);
		vm_spec_free(s);
	}
}

static void test_display_slot(void)
{
	static const struct {
		const char *text;
		int slot;
	} cases[] = {
		{VM("\"display\":{}"), 2},
		{VM("\"machine\":\"q35\",\"display\":{}"), 1},
		{VM("\"display\":{},\"rng\":{\"addr\":\"2\"}"), 3},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vm_spec *s = parse(cases[i].text);

		g_assert_true(vm_spec_complete(s, NULL));
		g_assert_cmpint(s->display->addr.slot, ==, cases[i].slot);
		vm_spec_free(s);
	}
}

static const struct {
	const char *text, *message;
} clashes[] = {
	{VM("\"disks\":[{\"file\":\"/1\",\"id\":\"x\"}],\"nics\":[{\"id\":\"x\"}]"),
		"/nics/0/id: x is that of /disks/0"},
	{VM("\"disks\":[{\"file\":\"/1\",\"addr\":\"5\"},{\"file\":\"/2\",\"addr\":\"5.0\"}]"),
		"/disks/1/addr: slot 5.0 is that of /disks/0"},
	{VM("\"rng\":{\"addr\":\"1\"}"), "/rng/addr: slot 1.0 is that of the machine"},
	{VM("\"nics\":[{\"mac\":\"52:54:00:00:00:01\"},{\"mac\":\"52:54:00:00:00:01\"}]"),
		"/nics/1/mac: 52:54:00:00:00:01 is that of /nics/0"},
	{VM("\"cpus\":{\"count\":240,\"threads\":7}"), "/cpus: sockets × cores × threads"},
	{VM("\"machine\":\"q35\",\"disks\":[" IDE "]"),
		"/disks/0: machine q35 has no ide controller"},
	{VM("\"disks\":[" IDE "," IDE "," CD "," IDE "," CD "]"),
		"/disks/4: no place is free on the ide controller"},
	{VM("\"disks\":[{\"bus\":\"ide\",\"file\":\"/f\",\"unit\":4}]"),
		"/disks/0/unit: ide0 has units 0 to 3"},
	{VM("\"disks\":[{\"bus\":\"ide\",\"file\":\"/f\",\"controller\":\"x\"}]"),
		"/disks/0/controller: there is no x"},
	{VM("\"controllers\":[{\"type\":\"fdc\",\"id\":\"x\"}],"
	    "\"disks\":[{\"bus\":\"ide\",\"file\":\"/f\",\"controller\":\"x\"}]"),
		"/disks/0/controller: x is for devices of another bus"},
	{VM("\"controllers\":[{\"type\":\"fdc\",\"id\":\"x\"}],\"disks\":["
	    "{\"device\":\"floppy\",\"controller\":\"x\",\"unit\":1},"
	    "{\"device\":\"floppy\",\"controller\":\"x\",\"unit\":1}]"),
		"/disks/1/unit: x 1 is that of /disks/0"},
	{VM("\"controllers\":[{\"type\":\"ide\"},{\"type\":\"ide\"}]"),
		"/controllers/1: a machine has one ide controller"},
	{VM("\"controllers\":[{\"type\":\"root-port\"}]"),
		"/controllers/0: machine pc has no port"},
	{VM("\"rng\":{\"root-port\":\"p\"}"), "/rng/root-port: there is no root port p"},
	{VM("\"machine\":\"q35\",\"controllers\":[{\"type\":\"root-port\",\"id\":\"p\"}],"
	    "\"rng\":{\"root-port\":\"p\"},\"nics\":[{\"root-port\":\"p\"}]"),
		"/rng/root-port: p 0 is that of /nics/0"},
	{VM("\"machine\":\"q35\",\"rng\":{\"addr\":\"1f\"}"),
		"/rng/addr: slot 1f.0 is that of the machine"},
	{VM("\"memory\":{\"size\":\"1G\"},\"numa\":[{\"memory\":\"512M\"}]"),
		"/numa: the nodes' memory"},
	{VM("\"numa\":[{\"cpus\":\"0-2\",\"memory\":\"512M\"},{\"cpus\":\"2\"}]"),
		"/numa/1/cpus: a vCPU is in another node"},
};

static void test_clashes(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(clashes); i++) {
		struct vm_spec *s = parse(clashes[i].text);
		g_autoptr(GError) e = NULL;

		g_assert_false(vm_spec_complete(s, &e));
		g_test_message("-> %s", e->message);
		g_assert_nonnull(strstr(e->message, clashes[i].message));
		vm_spec_free(s);
	}
}

static void test_slots_end(void)
{
	g_autoptr(GString) text = g_string_new("{\"name\":\"a\",\"nics\":[{}");
	g_autoptr(GError) e = NULL;
	struct vm_spec *s;

	for (unsigned i = 0; i < 29; i++)
		g_string_append(text, ",{}");
	g_string_append(text, "]}");
	s = parse(text->str);
	g_assert_false(vm_spec_complete(s, &e));
	g_assert_cmpstr(e->message, ==, "/nics/29: no PCI slot is free for it");
	vm_spec_free(s);
}

static bool gather_file(const char *pointer, const struct prop *p, struct prop_file *file,
	int flags, void *opaque, GError **error)
{
	if (file->path)
		g_string_append_printf(
			opaque, "%s=%s:%x ", pointer, file->path, flags & ~O_LARGEFILE);
	if (strcmp(pointer, "/boot/initrd") == 0 && !file->path)
		return err_set(error, VMMD_ERROR_NOT_FOUND, "no initrd");
	return true;
}

static void test_files(void)
{
	struct vm_spec *s = parse(full);
	g_autoptr(GString) all = g_string_new(NULL);
	g_autofree char *expect = NULL;
	g_autoptr(GError) e = NULL;

	g_assert_true(vm_spec_foreach_file(s, gather_file, all, NULL));
	expect = g_strdup_printf(
		"/boot/firmware=/fw:0 /boot/vars=/vars:%x /boot/kernel=/boot/vmlinuz:0 "
		"/boot/initrd=/boot/initrd:0 /boot/roms/0/file=/rom:0 "
		"/disks/0/file=/var/root.img:%x /disks/1/file=/var/old.img:%x "
		"/disks/4/file=/var/stick.img:%x /nics/0/rom=/e1000e.rom:0 "
		"/serials/0/chardev/listen=/run/x:0 /serials/1/chardev/path=/tmp/log:%x "
		"/vnc/listen=/run/vnc:0 /tpm/socket=/run/swtpm:0 ",
		O_RDWR, O_RDWR | O_DIRECT, O_RDWR, O_RDWR, O_WRONLY | O_APPEND | O_CREAT);
	g_assert_cmpstr(all->str, ==, expect);
	g_clear_pointer(&s->boot->initrd.path, g_free);
	g_assert_false(vm_spec_foreach_file(s, gather_file, all, &e));
	g_assert_error(e, VMMD_ERROR, VMMD_ERROR_NOT_FOUND);
	vm_spec_free(s);

	s = parse("{\"name\":\"a\",\"disks\":[{\"file\":\"/x\",\"readonly\":true}]}");
	g_string_truncate(all, 0);
	g_assert_true(vm_spec_foreach_file(s, gather_file, all, NULL));
	g_assert_cmpstr(all->str, ==, "/disks/0/file=/x:0 ");
	vm_spec_free(s);
}

static void test_lenient(void)
{
	static const char text[] =
		"{\"name\":\"a\",\"from-the-future\":[1],\"memory\":{\"colour\":\"red\"}}";
	g_autoptr(json_object) json = NULL;
	struct vm_spec *s;

	g_assert_true(json_parse(text, strlen(text), &json, NULL));
	g_assert_null(prop_decode(&vm_spec_table, json, 0, NULL));
	s = prop_decode(&vm_spec_table, json, PROP_DECODE_LENIENT, NULL);
	g_assert_cmpstr(s->name, ==, "a");
	vm_spec_free(s);
}

/*
 * Every default lies within its own range, every name and doc is there, and each table has one
 * name.
 */
static void check_table(const struct prop_table *t, GHashTable *seen)
{
	const struct prop_table *other = g_hash_table_lookup(seen, t->name);

	g_assert_true(!other || other == t);
	if (other)
		return;
	g_hash_table_insert(seen, (char *)(uintptr_t)t->name, (void *)(uintptr_t)t);
	g_assert_nonnull(t->doc);
	for (const struct prop *p = t->props; p->name; p++) {
		g_test_message("%s/%s", t->name, p->name);
		g_assert_nonnull(p->doc);
		g_assert_false(g_str_has_suffix(p->doc, "."));
		g_assert_cmpuint(p->offset, <, t->size);
		if (p->type >= PROP_TYPE_U8 && p->type <= PROP_TYPE_SIZE &&
			!(p->flags & PROP_REQUIRED)) {
			g_assert_cmpuint(p->def, >=, p->min);
			g_assert_cmpuint(p->def, <=, p->max);
		}
		if (p->sub)
			check_table(p->sub, seen);
	}
}

static void test_tables(void)
{
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

	check_table(&vm_spec_table, seen);
	g_assert_cmpuint(g_hash_table_size(seen), >=, 14);
}

static void test_schema(void)
{
	g_autoptr(json_object) schema = prop_table_schema(&vm_spec_table);
	g_autofree char *text = json_text(schema, NULL);
	static const char *const expect[] = {
		"\"$ref\":\"#/$defs/disk\"",
		"\"enum\":[\"none\",\"writeback\",\"writethrough\",\"unsafe\"]",
		"\"required\":[\"name\"]",
		"\"required\":[\"host-port\",\"guest-port\"]",
		"\"additionalProperties\":{\"type\":[\"string\",\"integer\",\"boolean\"]",
		"\"maximum\":240",
		"\"maxItems\":256",
	};

	for (size_t i = 0; i < ARRAY_SIZE(expect); i++) {
		g_test_message("%s", expect[i]);
		g_assert_nonnull(strstr(text, expect[i]));
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/vmspec/round-trip", test_round_trip);
	g_test_add_func("/vmspec/fields", test_fields);
	g_test_add_func("/vmspec/forms", test_forms);
	g_test_add_func("/vmspec/refused", test_refused);
	g_test_add_func("/vmspec/list-limit", test_list_limit);
	g_test_add_func("/vmspec/extra-limit", test_extra_limit);
	g_test_add_func("/vmspec/complete", test_complete);
	g_test_add_func("/vmspec/places", test_places);
	g_test_add_func("/vmspec/display-slot", test_display_slot);
	g_test_add_func("/vmspec/clashes", test_clashes);
	g_test_add_func("/vmspec/slots-end", test_slots_end);
	g_test_add_func("/vmspec/files", test_files);
	g_test_add_func("/vmspec/lenient", test_lenient);
	g_test_add_func("/vmspec/tables", test_tables);
	g_test_add_func("/vmspec/schema", test_schema);
	return g_test_run();
}

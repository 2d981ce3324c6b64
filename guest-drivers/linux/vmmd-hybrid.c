/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Linux driver of vmmd's hybrid controller: finds it by its ACPI HID, greets the host with
 * product and build, leaves a line in the host's log and shows in sysfs what the host says.
 * The protocol is guest-drivers/abi/hybrid.h.  Where anything is odd the driver does not bind
 * and changes nothing: the machine goes on with the fronts it has.
 */
#include <linux/acpi.h>
#include <linux/device.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/sysfs.h>
#include <linux/utsname.h>

#include "guest-drivers/abi/hybrid_guest.h"

#define DRIVER_MAJOR 0
#define DRIVER_MINOR 1
#define DRIVER_PATCH 0
#define DRIVER_BUILD HYBRID_BUILD(DRIVER_MAJOR, DRIVER_MINOR, DRIVER_PATCH)
#define DRIVER_VERSION \
	__stringify(DRIVER_MAJOR) "." __stringify(DRIVER_MINOR) "." __stringify(DRIVER_PATCH)

struct vmmd_hybrid {
	struct hybrid_io io;     /* opaque is the I/O base */
	struct hybrid_host host; /* constant after probe */
	struct mutex lock;       /* select and state are two accesses */
};

static u32 vmmd_hybrid_read(void *opaque, unsigned int reg, unsigned int width)
{
	void __iomem *port = (void __iomem *)opaque + reg;

	switch (width) {
	case 1: return ioread8(port);
	case 2: return ioread16(port);
	default: return ioread32(port);
	}
}

static void vmmd_hybrid_write(void *opaque, unsigned int reg, unsigned int width, u32 value)
{
	void __iomem *port = (void __iomem *)opaque + reg;

	switch (width) {
	case 1: iowrite8(value, port); break;
	case 2: iowrite16(value, port); break;
	default: iowrite32(value, port); break;
	}
}

static ssize_t protocol_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct vmmd_hybrid *hybrid = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%u\n", hybrid->host.version);
}
static DEVICE_ATTR_RO(protocol);

static ssize_t host_build_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct vmmd_hybrid *hybrid = dev_get_drvdata(dev);
	u32 build = hybrid->host.build;

	return sysfs_emit(buf, "%u.%u.%u\n", build >> 24, build >> 16 & 0xff, build & 0xffff);
}
static DEVICE_ATTR_RO(host_build);

static ssize_t answer_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct vmmd_hybrid *hybrid = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%s\n", hybrid_answer_name(hybrid->host.answer));
}
static DEVICE_ATTR_RO(answer);

/* One line for each device of the class, "disk 0 emulated proven"; the new length. */
static int vmmd_hybrid_list(struct vmmd_hybrid *hybrid, enum hybrid_class device_class,
	const char *name, char *buf, int at)
{
	unsigned int i;

	for (i = 0; i < HYBRID_DEVICES_MAX; i++) {
		u16 state = hybrid_state(&hybrid->io, device_class, i);

		if (!state)
			break;
		at += sysfs_emit_at(buf, at, "%s %u %s%s%s%s%s\n", name, i,
			state & HYBRID_STATE_PV ? "paravirtual" : "emulated",
			state & HYBRID_STATE_PROVEN ? " proven" : "",
			state & HYBRID_STATE_TRIAL ? " trial" : "",
			state & HYBRID_STATE_RETURNED ? " returned" : "",
			state & HYBRID_STATE_NEVER ? " never" : "");
	}
	return at;
}

static ssize_t fronts_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct vmmd_hybrid *hybrid = dev_get_drvdata(dev);
	int at;

	mutex_lock(&hybrid->lock);
	at = vmmd_hybrid_list(hybrid, HYBRID_CLASS_DISK, "disk", buf, 0);
	at = vmmd_hybrid_list(hybrid, HYBRID_CLASS_NIC, "nic", buf, at);
	mutex_unlock(&hybrid->lock);
	return at;
}
static DEVICE_ATTR_RO(fronts);

static struct attribute *vmmd_hybrid_attrs[] = {
	&dev_attr_protocol.attr,
	&dev_attr_host_build.attr,
	&dev_attr_answer.attr,
	&dev_attr_fronts.attr,
	NULL,
};
ATTRIBUTE_GROUPS(vmmd_hybrid);

/* The window as the firmware describes it, mapped; an error if it is not what the ABI says. */
static void __iomem *vmmd_hybrid_map(struct platform_device *pdev)
{
	struct resource *window = platform_get_resource(pdev, IORESOURCE_IO, 0);
	void __iomem *base;

	if (!window || window->start != HYBRID_PORT || resource_size(window) != HYBRID_WINDOW) {
		dev_err(&pdev->dev, "firmware describes another window than this driver knows\n");
		return IOMEM_ERR_PTR(-ENODEV);
	}
	if (!devm_request_region(&pdev->dev, window->start, HYBRID_WINDOW, KBUILD_MODNAME)) {
		dev_err(&pdev->dev, "window %pR is in use\n", window);
		return IOMEM_ERR_PTR(-EBUSY);
	}
	base = devm_ioport_map(&pdev->dev, window->start, HYBRID_WINDOW);
	return base ? base : IOMEM_ERR_PTR(-ENOMEM);
}

static void vmmd_hybrid_report(struct vmmd_hybrid *hybrid)
{
	char line[HYBRID_LOG_LINE + 1];

	scnprintf(line, sizeof(line), "vmmd-hybrid %s on Linux %s: %s", DRIVER_VERSION,
		init_utsname()->release, hybrid_answer_name(hybrid->host.answer));
	hybrid_log(&hybrid->io, line);
}

static int vmmd_hybrid_probe(struct platform_device *pdev)
{
	struct vmmd_hybrid *hybrid;
	void __iomem *base;

	hybrid = devm_kzalloc(&pdev->dev, sizeof(*hybrid), GFP_KERNEL);
	if (!hybrid)
		return -ENOMEM;
	base = vmmd_hybrid_map(pdev);
	if (IS_ERR(base))
		return PTR_ERR(base);

	mutex_init(&hybrid->lock);
	hybrid->io = (struct hybrid_io){
		.read = vmmd_hybrid_read,
		.write = vmmd_hybrid_write,
		.opaque = (__force void *)base,
	};
	hybrid->host = hybrid_greet(&hybrid->io, HYBRID_PRODUCT_LINUX, DRIVER_BUILD);
	if (!hybrid->host.present) {
		dev_err(&pdev->dev, "no hybrid controller answers at port %#x\n", HYBRID_PORT);
		return -ENODEV;
	}

	vmmd_hybrid_report(hybrid);
	platform_set_drvdata(pdev, hybrid);
	dev_info(&pdev->dev, "protocol %u, host's answer: %s\n", hybrid->host.version,
		hybrid_answer_name(hybrid->host.answer));
	return 0;
}

static const struct acpi_device_id vmmd_hybrid_ids[] = {
	{HYBRID_ACPI_HID, 0},
	{},
};
MODULE_DEVICE_TABLE(acpi, vmmd_hybrid_ids);

static struct platform_driver vmmd_hybrid_driver = {
	.probe = vmmd_hybrid_probe,
	.driver.name = KBUILD_MODNAME,
	.driver.acpi_match_table = vmmd_hybrid_ids,
	.driver.dev_groups = vmmd_hybrid_groups,
};
module_platform_driver(vmmd_hybrid_driver);

MODULE_DESCRIPTION("vmmd hybrid controller");
MODULE_AUTHOR("The vmmd authors");
MODULE_LICENSE("GPL");
MODULE_VERSION(DRIVER_VERSION);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a fuzz target over every file of a corpus folder, so that what a fuzzer once found stays found in builds
 * without libFuzzer.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX (1 << 20)

static int run_file(const char *dir, const char *name)
{
	static uint8_t buf[INPUT_MAX];
	char path[4096];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "rb");
	if (!f) {
		perror(path);
		return -1;
	}
	n = fread(buf, 1, sizeof(buf), f);
	fclose(f);
	/* A copy of exactly that size, so that a sanitizer sees the first byte beyond it. */
	uint8_t *input = malloc(n ? n : 1);

	if (!input)
		return -1;
	memcpy(input, buf, n);
	LLVMFuzzerTestOneInput(input, n);
	free(input);
	return 0;
}

int main(int argc, char **argv)
{
	struct dirent *e;
	unsigned runs = 0;
	DIR *d;

	if (argc != 2) {
		fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
		return 2;
	}
	d = opendir(argv[1]);
	if (!d) {
		perror(argv[1]);
		return 1;
	}
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		if (run_file(argv[1], e->d_name) < 0)
			return 1;
		runs++;
	}
	closedir(d);
	printf("%u inputs\n", runs);
	if (!runs)
		fprintf(stderr, "%s: an empty corpus proves nothing\n", argv[1]);
	return runs ? 0 : 1;
}

# SPDX-License-Identifier: GPL-2.0-or-later
# TAP for shell tests (docs/testing.md).  Source it, run checks, end with tap_done.
# shellcheck shell=bash

tap_count=0
tap_failed=0
tap_log=$(mktemp)
trap 'rm -f "$tap_log"' EXIT

# pass NAME, fail NAME: one result; what is in the file tap_log goes with a failure.
pass() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1"
}

fail() {
	tap_count=$((tap_count + 1))
	tap_failed=$((tap_failed + 1))
	echo "not ok $tap_count - $1"
	sed 's/^/# /' "$tap_log" | tail -n 50
}

# skip NAME REASON
skip() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1 # SKIP $2"
}

# ok NAME COMMAND…: the command succeeds.
ok() {
	local name=$1
	shift
	if "$@" >"$tap_log" 2>&1; then
		pass "$name"
	else
		echo "status $? of: $*" >>"$tap_log"
		fail "$name"
	fi
}

# is NAME GOT EXPECTED
is() {
	printf 'got:      %s\nexpected: %s\n' "$2" "$3" >"$tap_log"
	if [ "$2" = "$3" ]; then pass "$1"; else fail "$1"; fi
}

# like NAME TEXT PATTERN: the text contains the extended regular expression.
like() {
	printf 'got:      %s\npattern:  %s\n' "$2" "$3" >"$tap_log"
	if grep -Eq -- "$3" <<<"$2"; then pass "$1"; else fail "$1"; fi
}

# wait_for SECONDS COMMAND…: until the command succeeds; fails when the time is over.
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		if [ "$SECONDS" -ge "$end" ]; then
			echo "waited in vain for: $*" >&2
			return 1
		fi
		sleep 0.1
	done
}

# tap_done: the plan, and the exit status of the test.
tap_done() {
	echo "1..$tap_count"
	exit $((tap_failed > 0))
}

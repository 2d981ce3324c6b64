#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The clients of vmmd: consoles, protocols, and those that mean no good: clients-test.py VMMD FAKE-VM"""

import json
import os
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "lib"))
from daemon import Connection, Daemon, DEADLINE, contains, equal, run_tests, wait_for  # noqa: E402


# ---- consoles ----

def test_console_is_shared(d):
    d.start()
    d.define("a")
    d.act("a", "start")
    first, second = d.console("a"), d.console("a")
    equal(first.reply.status, 101)
    first.expect(b"guest of a is up")
    second.expect(b"guest of a is up")
    first.send(b"one\n")
    second.send(b"two\n")
    for ws in (first, second):
        ws.expect(b"one\r\n")
        ws.expect(b"two\r\n")
    third = d.console("a")
    third.expect(b"two\r\n")
    contains(third.heard, b"guest of a is up\r\n")
    for ws in (first, second, third):
        ws.close()
    fourth = d.console("a")
    fourth.expect(b"two\r\n")
    equal(fourth.heard.count(b"guest of a is up"), 1)
    fourth.send(b"poweroff\n")
    equal(fourth.expect_close(), (1000, "the guest powered off"))


def test_console_refusals(d):
    d.start()
    d.define("a")
    equal(d.console("a").reply.status, 409)
    equal(d.console("nobody").reply.status, 404)
    d.ok("POST", "/v1/vms", {"name": "plain", "accel": "qtest"}, 201)
    d.act("plain", "start")
    ws = d.console("plain")
    equal(ws.reply.status, 409)
    contains(ws.reply.json["error"]["message"], "has no console")
    d.act("a", "start")
    contains(d.refused("GET", "/v1/vms/a/console")["message"], "ask for an upgrade")
    # Elsewhere there is no WebSocket.
    reply = d.request("GET", "/v1/vms", headers="Upgrade: websocket\r\nConnection: Upgrade\r\n")
    equal(reply.status, 404)


def test_console_slow_client(d):
    """One that does not read loses what the ring has overtaken; the others and the guest do not wait."""
    d.start()
    d.define("a")
    d.act("a", "start")
    lazy, keen = d.console("a"), d.console("a")
    lazy.expect(b"is up")
    keen.expect(b"is up")
    for i in range(8):
        keen.send(b"flood\n")
        keen.expect(b"end of flood\n")
        keen.heard = b""
    keen.send(b"last words\n")
    keen.expect(b"last words\r\n")
    lazy.expect(b"last words\r\n")
    assert len(lazy.heard) < 8 << 20, len(lazy.heard)
    with open("/proc/%d/status" % d.process.pid) as f:
        rss = next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
    assert rss < 60000, rss
    d.act("a", "stop")


def test_console_input_flood(d):
    d.start()
    d.define("a")
    d.act("a", "start")
    ws = d.console("a")
    ws.expect(b"is up")
    os.kill(d.vm("a")["pid"], signal.SIGSTOP)
    try:
        for _ in range(20):
            ws.send(b"x" * 60000)
    except (BrokenPipeError, ConnectionResetError):
        pass
    equal(ws.expect_close(), (1008, "input comes faster than the guest takes it"))
    os.kill(d.vm("a")["pid"], signal.SIGCONT)
    other = d.console("a")
    other.expect(b"is up")


def test_console_too_many(d):
    d.start()
    d.define("a")
    d.act("a", "start")
    clients = [d.console("a") for _ in range(32)]
    for ws in clients:
        ws.expect(b"is up")
    equal(d.console("a").expect_close()[1], "too many clients are at this console")
    clients[0].close()
    wait_for("a free place", lambda: place_is_free(d))


def place_is_free(d):
    ws = d.console("a")
    got = ws.receive()
    ws.close()
    return got


def test_unresponsive_vm(d):
    """A stopped process holds up nobody else, and can be ended."""
    d.start()
    d.define("stuck")
    d.define("fine")
    pid = d.act("stuck", "start")["pid"]
    os.kill(pid, signal.SIGSTOP)
    result = []
    waiting = threading.Thread(target=lambda: result.append(d.request("POST", "/v1/vms/stuck/pause")))
    waiting.start()
    began = time.monotonic()
    d.act("fine", "start")
    d.act("fine", "stop")
    assert time.monotonic() - began < 5
    vm = d.act("stuck", "stop")
    equal(vm["state"], "stopped")
    waiting.join()
    equal(result[0].status, 500)
    contains(result[0].json["error"]["message"], "the VM process has")


# ---- protocol ----

def test_documents(d):
    d.start()
    openapi = d.ok("GET", "/v1/openapi.json")
    equal(openapi["openapi"], "3.1.0")
    assert "/v1/vms/{name}/console" in openapi["paths"]
    equal(d.ok("GET", "/v1/vmspec.schema.json")["title"], "vm")
    host = d.ok("GET", "/v1/host")
    equal((host["vms"], host["cpus"]), (0, os.cpu_count()))
    assert host["accel"] in ("kvm", "none") and host["accel-reason"]


def test_http_refusals(d):
    d.start()
    d.define("a")
    equal(d.refused("GET", "/v2", status=404)["code"], "not-found")
    reply = d.request("PUT", "/v1/vms")
    equal((reply.status, reply.headers["allow"]), (405, "GET, POST"))
    d.refused("GET", "/v1/vms/%00")
    d.refused("GET", "/v1/vms/a%2fb", status=404)
    d.refused("GET", "/v1/vms?x=1")
    d.refused("POST", "/v1/vms", b"{")
    d.refused("POST", "/v1/vms", b"\xff\xfe")
    equal(d.refused("POST", "/v1/vms/a/start", {"timeout": 0})["path"], "/timeout")
    equal(d.refused("POST", "/v1/vms/a/start", {"name": "b"})["path"], "/name")
    d.refused("POST", "/v1/rpc/x", status=404)
    equal(d.request("GET", "/v1/rpc").status, 405)


def test_rpc_over_http(d):
    d.start()
    define = {"jsonrpc": "2.0", "id": 1, "method": "vm.define", "params": {"name": "a", "accel": "qtest"}}
    equal(d.ok("POST", "/v1/rpc", define)["result"]["name"], "a")
    batch = [{"jsonrpc": "2.0", "id": 1, "method": "vm.start", "params": ["a"]},
             {"jsonrpc": "2.0", "id": 2, "method": "vm.get", "params": ["b"]},
             {"jsonrpc": "2.0", "id": 3, "method": "vm.console", "params": ["a"]},
             {"jsonrpc": "2.0", "method": "vm.list"}]
    replies = d.ok("POST", "/v1/rpc", batch)
    equal([r["id"] for r in replies], [1, 2, 3])
    equal(replies[0]["result"]["state"], "running")
    d.pids.add(replies[0]["result"]["pid"])
    equal((replies[1]["error"]["code"], replies[1]["error"]["data"]["code"]), (-32001, "not-found"))
    equal(replies[2]["error"]["code"], -32004)
    equal(d.request("POST", "/v1/rpc", {"jsonrpc": "2.0", "method": "vm.list"}).status, 204)
    equal(d.ok("POST", "/v1/rpc", b"{")["error"]["code"], -32700)


def test_life_by_rpc(d):
    """Every operation but the console, a stream, is there in JSON-RPC too."""
    d.start()
    conn, ids = Connection(d.rpc_socket), iter(range(100))

    def call(method, **params):
        number = next(ids)
        conn.send(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode() + b"\n")
        reply = json.loads(conn.file.readline())
        equal(reply["id"], number)
        return reply.get("result", reply.get("error"))

    equal(call("vm.define", name="a", accel="qtest")["state"], "stopped")
    equal(call("vm.define", name="a")["data"]["code"], "exists")
    vm = call("vm.start", name="a", timeout=30)
    d.pids.add(vm["pid"])
    equal(vm["state"], "running")
    equal(call("vm.pause", name="a")["state"], "paused")
    equal(call("vm.resume", name="a")["state"], "running")
    equal(call("vm.reset", name="a")["state"], "running")
    equal(call("vm.get", name="a"), d.vm("a"))
    equal(call("vm.list"), d.ok("GET", "/v1/vms"))
    equal(call("host.info")["running"], 1)
    equal(call("vm.shutdown", name="a", wait=True)["reason"], "the guest powered off")
    vm = call("vm.start", name="a")
    d.pids.add(vm["pid"])
    equal(call("vm.delete", name="a")["data"]["code"], "state")
    equal(call("vm.stop", name="a")["reason"], "stopped from outside")
    equal(call("vm.delete", name="a"), None)
    equal(call("vm.get", name="a")["data"]["code"], "not-found")
    conn.close()


def test_rpc_socket(d):
    d.start()
    conn = Connection(d.rpc_socket)
    conn.send(b'{"jsonrpc":"2.0","id":1,"method":"vm.define","params":{"name":"a","accel":"qtest"}}\n'
              b'{"jsonrpc":"2.0","id":2,"method":"host.info"}\nnonsense\n')
    replies = [json.loads(conn.file.readline()) for _ in range(3)]
    equal({r["id"] for r in replies}, {1, 2, None})
    conn.send(b'{"jsonrpc":"2.0","id":3,"method":"vm.start","params":{"name":"a"}}\n')
    reply = json.loads(conn.file.readline())
    equal(reply["result"]["state"], "running")
    d.pids.add(reply["result"]["pid"])
    conn.close()


# ---- bad clients ----

def test_half_requests(d):
    d.start()
    for part in (b"", b"G", b"GET /v1/vms HTTP/1.1\r\n", b"POST /v1/vms HTTP/1.1\r\nContent-Length: 100\r\n\r\n{"):
        conn = Connection(d.socket)
        conn.send(part)
        conn.close()
        conn = Connection(d.socket)
        conn.send(part)
        conn.sock.shutdown(socket.SHUT_WR)
        while conn.sock.recv(4096):
            pass
        conn.close()
    equal(d.ok("GET", "/v1/vms"), {"vms": []})


def test_half_requests_by_rpc(d):
    """Half a line, from one who goes and one who stays; a line that never ends."""
    d.start()
    line = b'{"jsonrpc":"2.0","id":1,"method":"vm.list"}\n'
    goes, stays = Connection(d.rpc_socket), Connection(d.rpc_socket)
    goes.send(line[:20])
    goes.close()
    stays.send(line[:20])
    other = Connection(d.rpc_socket)
    other.send(line)
    equal(json.loads(other.file.readline())["result"], {"vms": []})
    stays.send(line[20:])
    equal(json.loads(stays.file.readline())["result"], {"vms": []})
    try:
        for _ in range(64):
            stays.send(b"x" * (1 << 20))
        raise AssertionError("64 MiB without a newline were taken")
    except (BrokenPipeError, ConnectionResetError):
        pass
    other.send(line)
    equal(json.loads(other.file.readline())["result"], {"vms": []})
    stays.close()
    other.close()


def test_garbage(d):
    d.start()
    for junk in (b"\x00" * 1000, b"\xff" * 1000, b"\r\n\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                 b"A" * 100000, b"GET /v1/vms HTTP/1.1\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
                 b"POST /v1/vms HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
                 b"POST /v1/vms HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n"):
        conn = Connection(d.socket)
        try:
            conn.send(junk)
            conn.sock.shutdown(socket.SHUT_WR)
            while conn.sock.recv(65536):
                pass
        except (BrokenPipeError, ConnectionResetError):
            pass
        conn.close()
        assert d.alive()
    equal(d.ok("GET", "/v1/vms"), {"vms": []})


def test_oversized_bodies(d):
    d.start()
    conn = Connection(d.socket)
    conn.send(b"POST /v1/vms HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 2000000)
    reply = conn.receive()
    equal(reply.status, 413)
    contains(reply.json["error"]["message"], "larger than")
    conn.close()
    conn = Connection(d.socket)
    conn.send(b"POST /v1/vms HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    try:
        for _ in range(300):
            conn.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        raise AssertionError("a body without end was taken")
    except (BrokenPipeError, ConnectionResetError):
        pass
    conn.close()
    conn = Connection(d.socket)
    conn.send(b"POST /v1/vms HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2000000\r\n\r\n")
    equal(conn.receive().status, 413)
    conn.close()
    equal(d.refused("POST", "/v1/vms", {"name": "a" * 500000})["path"], "/name")


def test_deep_nesting(d):
    d.start()
    contains(d.refused("POST", "/v1/vms", b"[" * 1000000)["message"], "nested too deeply")
    contains(d.refused("POST", "/v1/vms", b'{"name":' * 1000)["message"], "nested too deeply")


def test_many_connections(d):
    """More than the daemon takes: the excess is closed at once, and when clients leave others are served."""
    d.request_timeout = DEADLINE
    d.start()
    conns = [Connection(d.socket) for _ in range(300)]
    fds = "/proc/%d/fd" % d.process.pid
    wait_for("all to be accepted", lambda: len(os.listdir(fds)) > 256)
    refused = 0
    for conn in reversed(conns):
        try:
            conn.send(b"GET /v1/vms HTTP/1.1\r\nHost: x\r\n\r\n")
            equal(conn.receive().status, 200)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            refused += 1
    equal(refused, 300 - 256)
    for conn in conns:
        conn.close()
    wait_for("a free connection", lambda: can_ask(d))
    assert len(os.listdir(fds)) < 30, os.listdir(fds)


def can_ask(d):
    try:
        return d.request("GET", "/v1/vms").status == 200
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return False


def test_slow_request(d):
    """A client that dribbles is cut off; the others are served meanwhile."""
    d.start()
    conn = Connection(d.socket)
    conn.sock.settimeout(0.2)
    conn.send(b"POST /v1/vms HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
    began = time.monotonic()
    try:
        while time.monotonic() - began < DEADLINE:
            conn.send(b" ")
            try:
                if not conn.sock.recv(4096):
                    break
            except TimeoutError:
                pass
            equal(d.request("GET", "/v1/vms").status, 200)
    except (BrokenPipeError, ConnectionResetError):
        pass
    assert 1 < time.monotonic() - began < DEADLINE, time.monotonic() - began


def test_client_leaves_while_waiting(d):
    d.start()
    d.define("a", habit="mute")
    for _ in range(3):
        conn = Connection(d.socket)
        conn.send(b"POST /v1/vms/a/start HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        d.wait_state("a", "starting")
        conn.close()
        d.act("a", "stop")
    equal(d.vm("a")["state"], "stopped")


def main():
    tests = [f for n, f in globals().items() if n.startswith("test_")]
    if len(sys.argv) > 3:
        tests = [f for f in tests if f.__name__ in sys.argv[3:]]
    return run_tests(tests, lambda: Daemon(sys.argv[1], sys.argv[2]))


if __name__ == "__main__":
    sys.exit(main())

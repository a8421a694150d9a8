"""As much of a Kubernetes API server as `kubectl exec` asks for, in the
standard library alone. A "container" is a process on this machine.

Prints the port it listens on (127.0.0.1), then serves until it is killed.
Channels of v5.channel.k8s.io: 0 stdin, 1 stdout, 2 stderr, 3 status,
4 terminal size, 255 close.
"""
import base64
import fcntl
import hashlib
import http.server
import json
import os
import pty
import signal
import socketserver
import struct
import subprocess
import sys
import termios
import threading
import urllib.parse

WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

RESOURCES = {
    "/version": {"major": "1", "minor": "32", "gitVersion": "v1.32.0"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [
            {"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": ["get", "list"]},
            {"name": "pods/exec", "singularName": "", "namespaced": True, "kind": "PodExecOptions", "verbs": ["create", "get"]},
        ],
    },
}


def pod(namespace, name):
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"containers": [{"name": "main", "image": "none"}]},
        "status": {"phase": "Running"},
    }


class WebSocket:
    """The server's end of RFC 6455, over a handler's files."""

    def __init__(self, rfile, wfile):
        self.rfile, self.wfile, self.lock = rfile, wfile, threading.Lock()

    def send(self, opcode, payload):
        size = len(payload)
        if size < 126:
            head = struct.pack("!BB", 0x80 | opcode, size)
        elif size < 65536:
            head = struct.pack("!BBH", 0x80 | opcode, 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, 127, size)
        with self.lock:
            self.wfile.write(head + payload)
            self.wfile.flush()

    def exactly(self, count):
        data = self.rfile.read(count)
        if len(data) != count:
            raise EOFError
        return data

    def frame(self):
        first, second = self.exactly(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", self.exactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self.exactly(8))
        mask = self.exactly(4) if second & 0x80 else bytes(4)
        masked = self.exactly(size)
        pad = (mask * (size // 4 + 1))[:size]
        payload = (int.from_bytes(masked, "big") ^ int.from_bytes(pad, "big")).to_bytes(size, "big")
        return bool(first & 0x80), first & 0x0F, payload

    def messages(self):
        """Whole messages until the client closes."""
        message = b""
        try:
            while True:
                final, opcode, payload = self.frame()
                if opcode == CLOSE:
                    return
                if opcode == PING:
                    self.send(PONG, payload)
                elif opcode in (CONTINUATION, TEXT, BINARY):
                    message += payload
                    if final:
                        yield message
                        message = b""
        except (EOFError, OSError):
            return


class Container:
    """A process, and the ends of its input and outputs that are ours."""

    def __init__(self, argv, tty):
        self.tty = tty
        if tty:
            ours, theirs = pty.openpty()
            self.stdin, self.outputs = ours, [(1, ours)]
            given = [theirs] * 3
        else:
            (in_read, in_write), (out_read, out_write), (err_read, err_write) = os.pipe(), os.pipe(), os.pipe()
            self.stdin, self.outputs = in_write, [(1, out_read), (2, err_read)]
            given = [in_read, out_write, err_write]

        def own_terminal():
            os.setsid()
            if tty:
                fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(argv, stdin=given[0], stdout=given[1], stderr=given[2], preexec_fn=own_terminal)
        for fd in set(given):
            os.close(fd)

    def take(self, channel, data):
        """One message of the client."""
        if channel == 0 and self.stdin is not None:
            while data:
                data = data[os.write(self.stdin, data):]
        elif channel == 4 and self.tty:
            size = json.loads(data)
            fcntl.ioctl(self.stdin, termios.TIOCSWINSZ, struct.pack("HHHH", size["Height"], size["Width"], 0, 0))
        elif channel == 255 and data[:1] == b"\0" and not self.tty:
            self.close_stdin()

    def close_stdin(self):
        if self.stdin is not None and not self.tty:
            os.close(self.stdin)
        self.stdin = None

    def hang_up(self):
        try:
            os.killpg(self.process.pid, signal.SIGHUP)
        except ProcessLookupError:
            pass

    def status(self):
        code = self.process.wait()
        if code == 0:
            return {"metadata": {}, "status": "Success"}
        return {
            "metadata": {},
            "status": "Failure",
            "reason": "NonZeroExitCode",
            "message": f"command terminated with non-zero exit code: {code}",
            "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
        }


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        parts = url.path.strip("/").split("/")
        if url.path in RESOURCES:
            self.answer(200, RESOURCES[url.path])
        elif parts[:3] == ["api", "v1", "namespaces"] and parts[4:5] == ["pods"] and len(parts) == 6:
            self.answer(200, pod(parts[3], parts[5]))
        elif parts[-1:] == ["exec"] and self.headers.get("Upgrade", "").lower() == "websocket":
            self.execute(urllib.parse.parse_qs(url.query))
        else:
            self.answer(404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404})

    def answer(self, code, body):
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def execute(self, query):
        key = self.headers["Sec-WebSocket-Key"].encode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key + WEBSOCKET_GUID).digest()).decode())
        self.send_header("Sec-WebSocket-Protocol", "v5.channel.k8s.io")
        self.end_headers()
        self.close_connection = True

        socket = WebSocket(self.rfile, self.wfile)
        container = Container(query["command"], query.get("tty") == ["true"])
        if query.get("stdin") != ["true"]:
            container.close_stdin()

        def read_input():
            for message in socket.messages():
                try:
                    container.take(message[0], message[1:])
                except OSError:
                    container.stdin = None
            container.hang_up()

        def write_output(channel, fd):
            while True:
                try:
                    data = os.read(fd, 32768)
                except OSError:  # EIO: the terminal's last user left
                    return
                if not data:
                    return
                socket.send(BINARY, bytes([channel]) + data)

        threading.Thread(target=read_input, daemon=True).start()
        writers = [threading.Thread(target=write_output, args=output) for output in container.outputs]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        socket.send(BINARY, b"\x03" + json.dumps(container.status()).encode())
        socket.send(CLOSE, struct.pack("!H", 1000))


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # a client that went away in the middle is no news


server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
sys.stdout.close()
server.serve_forever()

"""A real service with every bad habit, standard library only: ``python -I -S tiny_service.py``.

Answers /health, and /v1/completions with one token. Switches are words ``name=value``; a word
without ``=`` is the port to listen on.
"""

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

words = (word if "=" in word else f"port={word}" for word in sys.argv[1:])
options = dict(word.split("=", 1) for word in words)


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def habit(name: str) -> float:
    return float(options.get(name, 0))


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if Path(options.get("hang_while", "/nonexistent")).exists():
            time.sleep(1000)
        self.answer(b'{"status":"ok"}')

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        time.sleep(habit("slow_token"))
        tokens = int(options.get("tokens", 1))
        self.answer(json.dumps({"usage": {"completion_tokens": tokens}}).encode())

    def answer(self, body: bytes) -> None:
        self.send_response(int(options.get("status", 200)))
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


def on_term(number: int, frame: object) -> None:
    if options.get("term") == "ignore":
        say("I will not go")
        return
    time.sleep(habit("slow_stop"))
    say("going")
    os._exit(int(options.get("exit", 0)))


signal.signal(signal.SIGTERM, on_term)
if Path(options.get("die_while", "/nonexistent")).exists():
    say("not today")
    os._exit(1)
say(f"hello from {os.getpid()}")
sleeper = "import time; time.sleep(1000)"
if "fork" in options:
    is_own_session = options["fork"] == "session"
    child = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", sleeper], start_new_session=is_own_session
    )
    say(f"child {child.pid}")
for number in range(int(options.get("spam", 0))):
    sys.stdout.write(f"line {number}\n")
sys.stdout.flush()
if "die_after" in options:
    sys.stderr.write("last words\n")
    time.sleep(habit("die_after"))
    os._exit(int(options.get("exit", 1)))
time.sleep(habit("slow_start"))
if "port" not in options:
    threading.Event().wait()
http.server.ThreadingHTTPServer(("127.0.0.1", int(options["port"])), Handler).serve_forever()

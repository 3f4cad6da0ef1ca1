"""An engine of known speed in the place of ``llama-server``, standard library only.

An answer takes 60 ms, 20 ms with ``--ubatch-size 1024``. With ``--flash-attn on`` it ends as one
does whose memory is not enough.
"""

import http.server
import json
import sys
import time

FLAGS = """--model --alias --host --port --ctx-size --parallel --cache-ram --pooling --threads
--flash-attn --cache-type-k --cache-type-v --batch-size --ubatch-size --metrics --embeddings
--kv-unified --no-context-shift"""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(b"{}", "application/json")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        is_quick = "--ubatch-size 1024" in " ".join(sys.argv)
        time.sleep(0.02 if is_quick else 0.06)
        usage = {"prompt_tokens": 9, "completion_tokens": 1}
        chunk = {"choices": [{"index": 0, "delta": {"content": "a"}}], "usage": usage}
        self.answer(
            b"data: %s\n\ndata: [DONE]\n\n" % json.dumps(chunk).encode(), "text/event-stream"
        )

    def answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


if "--help" in sys.argv:
    sys.stdout.write(FLAGS)
    sys.exit()
if "--flash-attn on" in " ".join(sys.argv):
    sys.exit("ggml: out of memory")
port = int(sys.argv[sys.argv.index("--port") + 1])
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()

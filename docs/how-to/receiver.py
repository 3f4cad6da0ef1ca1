"""Print every alert that Alertmanager posts: `python3 receiver.py PORT`."""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Receiver(BaseHTTPRequestHandler):
    """Takes what Alertmanager posts."""

    def do_POST(self) -> None:
        """Print one line per alert."""
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for alert in message["alerts"]:
            labels, texts = alert["labels"], alert["annotations"]
            what = texts.get("summary", "")
            line = f"{alert['status']} {labels['severity']} {labels['alertname']}: {what}"
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
        self.send_response(200)  # anything else, and it is sent again
        self.end_headers()


HTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()

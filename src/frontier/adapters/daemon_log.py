"""The daemon's own log: JSON lines in a file that is rotated."""

import json
import logging
import os
import time
from pathlib import Path

from frontier.adapters.logs import rotate

_MOST_BYTES = 5 * 1024 * 1024


class DaemonLog(logging.Handler):
    """Writes to standard error, which is the file *path*; that too where it was rotated.

    Whatever else the process says, such as a traceback of the interpreter, goes the same way.
    """

    def __init__(self, path: Path, most_bytes: int = _MOST_BYTES) -> None:
        super().__init__()
        self._path, self._most_bytes = path, most_bytes

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; what cannot be written is lost, and the daemon goes on."""
        try:
            if os.fstat(2).st_size >= self._most_bytes:
                self._rotate()
            os.write(2, f"{json_line(record)}\n".encode())
        except OSError:
            self.handleError(record)

    def _rotate(self) -> None:
        if os.path.samestat(os.fstat(2), self._path.stat()):  # else standard error is not the file
            rotate(self._path)
            new = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            for descriptor in (1, 2):
                os.dup2(new, descriptor)
            os.close(new)


def json_line(record: logging.LogRecord) -> str:
    """Return *record* as JSON: time, level, message, and the traceback where there is one."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    fields = {
        "time": f"{stamp}.{int(record.msecs):03}Z",
        "level": record.levelname.lower(),
        "message": record.getMessage().strip(),
    }
    if record.exc_info:
        fields["traceback"] = logging.Formatter().formatException(record.exc_info)
    return json.dumps(fields, ensure_ascii=False)

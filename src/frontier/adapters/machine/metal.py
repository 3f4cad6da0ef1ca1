"""How much of a Mac's memory Metal may use, asked of Metal itself."""

import sys

from frontier.adapters.machine.tools import Run, ToolError, one_line

# In a process of its own: a call through ctypes that goes wrong ends the process that makes it.
ASK = """
import ctypes
frameworks = "/System/Library/Frameworks/{0}.framework/{0}"
try:
    ctypes.CDLL(frameworks.format("CoreGraphics"))  # without it there is no default device
    metal = ctypes.CDLL(frameworks.format("Metal"))
    objc = ctypes.CDLL("/usr/lib/libobjc.A.dylib")
except OSError as error:
    raise SystemExit(str(error))
metal.MTLCreateSystemDefaultDevice.restype = ctypes.c_void_p
objc.sel_registerName.restype = ctypes.c_void_p
objc.sel_registerName.argtypes = [ctypes.c_char_p]
send = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, ctypes.c_void_p)(("objc_msgSend", objc))
device = metal.MTLCreateSystemDefaultDevice()
name = objc.sel_registerName(b"recommendedMaxWorkingSetSize")
print(send(device, name) if device else 0)
"""


def working_set(run: Run) -> int | None:
    """Return the bytes that Metal recommends as a limit, None where there is no Metal device.

    Source: https://developer.apple.com/documentation/metal/mtldevice/recommendedmaxworkingsetsize
    """
    try:
        text = run([sys.executable, "-I", "-c", ASK]).strip()
    except ToolError as error:
        raise ToolError(
            f"metal: {one_line(str(error)).removeprefix(f'{sys.executable}: ')}"
        ) from error
    if not text.isdigit():
        raise ToolError(f"metal: unexpected output: {one_line(text)}")
    return int(text) or None

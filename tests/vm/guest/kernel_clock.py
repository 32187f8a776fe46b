"""What a time daemon tells the kernel."""

import ctypes

_ADJ_MAXERROR, _ADJ_STATUS = 0x0004, 0x0010  # adjtimex(2)
_MODES = 0  # offset in struct timex; what else is told is 0: no error, and no STA_UNSYNC
_SIZE = 512

_libc = ctypes.CDLL(None, use_errno=True)


def say_synchronised() -> None:
    """Tell the kernel that the wall clock is right. Whoever sets it takes that away."""
    timex = ctypes.create_string_buffer(_SIZE)
    timex[_MODES : _MODES + 4] = (_ADJ_STATUS | _ADJ_MAXERROR).to_bytes(4, "little")
    assert _libc.adjtimex(timex) >= 0, ctypes.get_errno()

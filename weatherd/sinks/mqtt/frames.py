"""
Frames of a websocket, in the place of paho's: it masks byte by byte, and answers a ping without a mask, over which a
server ends the connection. Pure, but for the mask.

Source:
    RFC 6455, The WebSocket Protocol: 5.2 (base framing protocol), 5.3 (client-to-server masking).
"""

import os

FINAL, MASKED = 0x80, 0x80
SHORT_MAX, MEDIUM_MAX = 125, 0xFFFF


def framed(opcode: int, data: bytes | bytearray, _: int = 1) -> bytearray:
    """
    Return one whole frame of a client.

    Args:
        opcode: 0x1 to 0xA.
        data: What is in it.
    """
    size = len(data)
    if size <= SHORT_MAX:
        head = bytes([FINAL | opcode, MASKED | size])
    elif size <= MEDIUM_MAX:
        head = bytes([FINAL | opcode, MASKED | 126]) + size.to_bytes(2)
    else:
        head = bytes([FINAL | opcode, MASKED | 127]) + size.to_bytes(8)
    mask = os.urandom(4)
    long = (mask * (size // 4 + 1))[:size]
    masked = int.from_bytes(data) ^ int.from_bytes(long)
    return bytearray(b"".join([head, mask, masked.to_bytes(size)]))

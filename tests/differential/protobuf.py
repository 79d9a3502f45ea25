# SPDX-License-Identifier: Apache-2.0
"""Protobuf's encoding, as far as pprof's profiles need it: varints, and fields with a length. What is written here must not be
osprey's own work, or a mistake in its codec would stay unseen."""


def varint(n):
    n &= (1 << 64) - 1
    out = b""
    while n >= 128:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def put(field, value):
    """A field with a number, or with bytes: a text or a message."""
    if isinstance(value, int):
        return varint(field << 3) + varint(value)
    return varint(field << 3 | 2) + varint(len(value)) + value


def fields(message):
    """Each field's number and value: a number or bytes."""
    def number(at):
        value = shift = 0
        while True:
            value |= (message[at] & 127) << shift
            at, shift = at + 1, shift + 7
            if message[at - 1] < 128:
                return value, at
    at = 0
    while at < len(message):
        key, at = number(at)
        value, at = number(at)
        if key & 7 == 2:
            value, at = message[at:at + value], at + value
        yield key >> 3, value

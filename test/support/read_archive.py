"""Reads the lines of an archive of a log from its first event on, as docs/audit-format.md has them, with nothing but the standard library, and
prints the root over them: zstd -dc <file> | python3 read_archive.py"""
import hashlib
import json
import sys

PAYLOAD = b',"payload":'


def sha256(data):
    return hashlib.sha256(data).digest()


def exact_text(line):
    """What was hashed: the object as it stands in the line, or what the string says."""
    raw = line[line.index(PAYLOAD) + len(PAYLOAD) : -1]
    return raw if raw.startswith(b"{") else json.loads(raw).encode()


def root_of(leaves):
    """RFC 6962, 2.1."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return sha256(b"\x01" + root_of(leaves[:half]) + root_of(leaves[half:]))


leaves = []
for line in sys.stdin.buffer.read().splitlines():
    event = json.loads(line)
    if event["seq"] != len(leaves):
        sys.exit(f"event {len(leaves)} is not in its place")
    leaves.append(sha256(b"\x00" + exact_text(line)))
print(root_of(leaves).hex())

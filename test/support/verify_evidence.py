"""A second reading of docs/audit-format.md: Python's standard library, and the openssl program for Ed25519.

usage: verify_evidence.py PACK.json   exit code 0 sound, 1 tampered, 2 incomplete
"""

import base64
import hashlib
import json
import subprocess
import sys
import tempfile


def sha256(data):
    return hashlib.sha256(data).digest()


def largest_power_below(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def root_from_path(leaf, index, size, path):
    """The root by the recursive definition of RFC 6962, section 2.1.1, turned around."""
    if size == 1:
        return leaf if not path else None
    if not path:
        return None
    k = largest_power_below(size)
    *below, sibling = path
    if index < k:
        left = root_from_path(leaf, index, k, below)
        return left and sha256(b"\x01" + left + sibling)
    right = root_from_path(leaf, index - k, size - k, below)
    return right and sha256(b"\x01" + sibling + right)


def signed_by(note, name, key):
    text, signatures = note.rsplit("\n\n", 1)
    text += "\n"
    key_id = sha256(name.encode() + b"\n\x01" + key)[:4]
    for line in signatures.splitlines():
        dash, signer, blob = line.split(" ")
        raw = base64.b64decode(blob)
        if dash == "\u2014" and signer == name and raw[:4] == key_id and openssl(text.encode(), raw[4:], key):
            return text
    return None


def openssl(message, signature, key):
    der = bytes.fromhex("302a300506032b6570032100") + key
    with tempfile.NamedTemporaryFile() as m, tempfile.NamedTemporaryFile() as s, tempfile.NamedTemporaryFile() as k:
        for file, data in ((m, message), (s, signature), (k, der)):
            file.write(data)
            file.flush()
        command = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER", "-inkey", k.name, "-in", m.name, "-sigfile", s.name]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def main(file):
    with open(file, encoding="utf-8") as f:
        pack = json.load(f)
    keys = []
    for entry in pack["keys"]:
        key = base64.b64decode(entry["publicKey"])
        text = signed_by(entry["note"], f"cadastre/{pack['installation']}/keys", key)
        if text is None:
            return 1, "a key is not signed by itself"
        first = {name: int(number) for name, number, _ in (line.split(" ") for line in text.splitlines()[4:])}
        keys.append((key, first))
    for log in pack["logs"]:
        origin = f"cadastre/{pack['installation']}/{log['class']}"
        number = int(log["checkpoint"].split("\n")[3].removeprefix("number "))
        key = [key for key, first in keys if first.get(log["class"], 0) <= number][-1]
        text = signed_by(log["checkpoint"], origin, key)
        if text is None:
            return 1, f"the checkpoint of {log['class']} is not signed"
        lines = text.split("\n")
        size, root = int(lines[1]), base64.b64decode(lines[2])
        if lines[0] != origin:
            return 1, "the checkpoint is another log's"
        for event in log["events"]:
            leaf = sha256(b"\x00" + event["payload"].encode())
            path = [base64.b64decode(h) for h in event["path"]]
            if root_from_path(leaf, event["seq"], size, path) != root:
                return 1, f"event {event['seq']} of {log['class']} is not in the log"
    return 0, "sound"


try:
    code, said = main(sys.argv[1])
except (KeyError, ValueError, IndexError, OSError) as error:
    code, said = 2, f"incomplete: {error!r}"
print(said)
sys.exit(code)

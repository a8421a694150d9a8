"""Checks a ledger by what hrec-recording(5) says, with nothing of hrec's:
Python's own hashes, and openssl for the signature.

    verify.py LEDGER ALLOWED_SIGNERS
"""

import base64
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def root(leaves):
    """RFC 6962, section 2.1."""
    if not leaves:
        return sha256()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\1", root(leaves[:k]), root(leaves[k:]))


def numbered(n):
    path = "%03d" % (n % 1000)
    while n >= 1000:
        n //= 1000
        path = "x%03d/%s" % (n % 1000, path)
    return path


def trusted(allowed):
    """The ed25519 keys of lines for ledgers."""
    for line in allowed.read_text().splitlines():
        words = line.split()
        if "namespaces=\"hrec-ledger\"" in line and "ssh-ed25519" in words:
            blob = base64.b64decode(words[words.index("ssh-ed25519") + 1])
            yield blob[-32:]


def signed(text, name, signature, key):
    identity = sha256(name.encode(), b"\n\1", key)[:4]
    if signature[:4] != identity:
        return False
    with tempfile.TemporaryDirectory() as place:
        files = [pathlib.Path(place, file) for file in ("key", "signature", "text")]
        head = bytes.fromhex("302a300506032b6570032100")
        for file, content in zip(files, (head + key, signature[4:], text.encode())):
            file.write_bytes(content)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-rawin",
                   "-inkey", files[0], "-sigfile", files[1], "-in", files[2]]
        return subprocess.run(command, stdout=subprocess.DEVNULL).returncode == 0


ledger, allowed = map(pathlib.Path, sys.argv[1:])
text, signatures = (ledger / "checkpoint").read_text().rsplit("\n\n", 1)
text += "\n"
name, size, want = text.splitlines()
size = int(size)
lines = [line.split(" ")[1:] for line in signatures.splitlines()]
assert any(
    signed(text, name, base64.b64decode(signature), key)
    for who, signature in lines if who == name
    for key in trusted(allowed)
), "the head is signed by no key that is trusted"

entries, records = [], []
for n in range((size + 255) // 256):
    for line in (ledger / "records" / numbered(n)).read_text().splitlines():
        if line.startswith("@") or len(entries) == size:
            continue
        index, entry, salt, record = line.split(" ", 3)
        assert int(index) == len(entries), "a record is missing"
        entries.append(bytes.fromhex(entry))
        if salt != "-":
            assert sha256(bytes.fromhex(salt), record.encode()) == entries[-1], index
            records.append(json.loads(record))
leaves = [sha256(b"\0", entry) for entry in entries]
assert len(leaves) == size, "records are missing"
assert root(leaves) == base64.b64decode(want), "the records are not those of the head"

level, hashes = 0, leaves
while hashes:
    above = []
    for n in range(0, len(hashes), 256):
        part = hashes[n:n + 256]
        partial = "" if len(part) == 256 else ".p/%d" % len(part)
        where = numbered(n // 256) + partial
        assert (ledger / "tile" / str(level) / where).read_bytes() == b"".join(part), where
        if level == 0:
            bundle = b"".join(b"\0\x20" + entry for entry in entries[n:n + 256])
            assert (ledger / "tile" / "entries" / where).read_bytes() == bundle, where
        if not partial:
            above.append(root(part))
    level, hashes = level + 1, above
for record in records:
    print(record["k"], record.get("id", ""))

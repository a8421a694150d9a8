#!/usr/bin/env python3
"""An age plugin for tests: what it does depends on the name it is run under.

age-plugin-test wraps a file key under a secret that recipient and identity
share, which is no cryptography at all; what counts is that it speaks the
plugin's side of c2sp.org/age-plugin, recipient-v1 and identity-v1. The others
do what plugins must not. `age-plugin-NAME --keygen` prints a recipient and an
identity."""

import base64
import hashlib
import os
import sys
import time

NAME = os.path.basename(sys.argv[0]).removeprefix("age-plugin-")
CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def bech32(hrp, data):
    """BIP 173, without its limit on length."""
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    values = [int(bits[i : i + 5], 2) for i in range(0, len(bits), 5)]
    check = 1
    expanded = [ord(c) >> 5 for c in hrp] + [0] + [ord(c) & 31 for c in hrp]
    for value in expanded + values + [0] * 6:
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        for i, word in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= word if top >> i & 1 else 0
    check ^= 1
    values += [check >> 5 * (5 - i) & 31 for i in range(6)]
    return hrp + "1" + "".join(CHARSET[value] for value in values)


def secret(text):
    """What a recipient or an identity carries, as 5-bit characters."""
    return text.lower().rpartition("1")[2][:-6].encode()


def line():
    text = sys.stdin.buffer.readline()
    if not text.endswith(b"\n"):
        sys.exit(3)
    return text[:-1].decode()


def receive():
    words = line().split(" ")
    assert words[0] == "->", words
    body = ""
    while True:
        part = line()
        body += part
        if len(part) < 64:
            return words[1], words[2:], base64.b64decode(body + "=" * (-len(body) % 4))


def send(tag, *args, body=b""):
    text = base64.b64encode(body).decode().rstrip("=")
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    if len(text) % 64 == 0:
        lines.append("")
    sys.stdout.write("\n".join([" ".join(["->", tag, *args]), *lines]) + "\n")
    sys.stdout.flush()


def ask(tag, *args, body=b""):
    send(tag, *args, body=body)
    return receive()


def until_done():
    while (message := receive())[0] != "done":
        yield message


def xor(key, text):
    pad = hashlib.sha256(b"test" + secret(text)).digest()
    return bytes(a ^ b for a, b in zip(key, pad))


def tag(text):
    return hashlib.sha256(secret(text)).hexdigest()[:8]


def misbehave():
    if NAME == "hang":
        time.sleep(1000)
    if NAME == "fork":
        os.fork()
        time.sleep(1000)
    if NAME == "crash":
        os._exit(7)
    if NAME == "garbage":
        print("Usage: this is no plugin\n\x1b[31m", flush=True)
    if NAME == "flood":
        while True:
            sys.stdout.write("A" * 65536)
    if NAME == "chatter":
        while True:
            ask("msg", body=b"still here")


def recipient_v1():
    recipients, key = [], b""
    for command, args, body in until_done():
        if command == "add-recipient":
            recipients.append(args[0])
        elif command == "wrap-file-key":
            key = body
    misbehave()
    if NAME == "picky":
        ask("error", "recipient", "0", body=b"the token\nis \x1b[31mnot plugged in")
    elif NAME == "empty":
        pass
    else:
        if NAME == "pq":
            ask("labels", "postquantum")
        for recipient in recipients:
            # Longer than a line, and in the second case exactly two lines.
            body = xor(key, recipient) + bytes(80 if NAME == "test" else 1600)
            ask("recipient-stanza", "0", NAME, tag(recipient), body=body)
    send("done")


def identity_v1():
    identities, stanzas = [], []
    for command, args, body in until_done():
        if command == "add-identity":
            identities.append(args[0])
        elif command == "recipient-stanza":
            stanzas.append((args[0], args[1:], body))
    misbehave()
    if NAME == "picky":
        ask("error", "identity", "0", body=b"the token is not plugged in")
    for identity in identities:
        for index, words, body in stanzas:
            if words[:2] == [NAME, tag(identity)]:
                ask("msg", body=b"touch the \x1b]0;x\x07token")
                ask("file-key", index, body=xor(body[:16], identity))
                send("done")
                return
    send("done")


if sys.argv[1:] == ["--keygen"]:
    data = os.urandom(32)
    print(bech32(f"age1{NAME}", data))
    print(bech32(f"age-plugin-{NAME}-", data).upper())
elif sys.argv[1:2] == ["--bech32"]:
    print(bech32(sys.argv[2], bytes.fromhex(sys.argv[3])))
elif sys.argv[1:] == ["--age-plugin=recipient-v1"]:
    recipient_v1()
elif sys.argv[1:] == ["--age-plugin=identity-v1"]:
    identity_v1()
else:
    sys.exit(f"unexpected arguments: {sys.argv[1:]}")

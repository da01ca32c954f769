"""Makes envelope-v1.json: envelopes as the format's description says, sealed by another HPKE.

Needs the Python package rfc9180 0.3.0. Run in this folder: python3 envelope.py > envelope-v1.json
"""

import hashlib
import json

from rfc9180 import AEADID, HPKE, KDFID, KEMID

SUITE = bytes.fromhex("002000010002")
hpke = HPKE(KEMID.DHKEM_X25519_HKDF_SHA256, KDFID.HKDF_SHA256, AEADID.AES_256_GCM)


def labelled(label, *parts):
    """Digest::labelled"""
    data = b"".join(len(x).to_bytes(8, "big") + x for x in (label.encode(), *parts))
    return hashlib.sha256(data).digest()


seed = bytes([7] * 32)
private, public = hpke.kem.derive_key_pair(seed)
public_bytes = hpke.kem.serialize_public_key(public)
key_id = labelled("proofgate/v1/key-id", b"x25519", public_bytes)[:16]
request = bytes([0xBB] * 32)
names = [b"net", b"tax", b"welfare"]


def begin(number, label, payload_id=b""):
    """The prelude, the header and the sending context."""
    header = b"\x01" + SUITE + bytes([number])
    header += b"".join(bytes([len(name)]) + name for name in names)
    header += key_id + request + payload_id
    parts = [b"proofgate/v1/envelope", SUITE, label, *names, key_id, request, payload_id]
    info = b"".join(len(x).to_bytes(2, "big") + x for x in parts)
    encapsulated, context = hpke.setup.setup_base_sender(public, info)
    return len(header).to_bytes(2, "big") + header + encapsulated, header, context


prelude, header, context = begin(6, b"document")
document = prelude + context.seal(header, b"a document")

prelude, header, context = begin(2, b"answer")
answer = prelude + context.seal(header, b"the answer".ljust(11, b"\x80").ljust(8192, b"\0"))

prelude, header, context = begin(5, b"payload", bytes([0xCC] * 16))
header_hash = labelled("proofgate/v1/payload-chunk", header)
payload = prelude
for index, (chunk, final) in enumerate([(bytes([0x2A] * 65536), 0), (b"the end", 1)]):
    payload += context.seal(header_hash + index.to_bytes(8, "big") + bytes([final]), chunk)
commitment = labelled(
    "proofgate/v1/payload",
    bytes([3] * 32),
    hashlib.sha256(payload).digest(),
    len(payload).to_bytes(8, "big"),
)

vector = {
    "recipient_seed": seed,
    "recipient_public_key": public_bytes,
    "recipient_key_id": key_id,
    "document": document,
    "answer": answer,
    "payload": payload,
    "payload_commitment": commitment,
}
print(json.dumps({name: value.hex() for name, value in vector.items()}, indent=2))

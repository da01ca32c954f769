#!/usr/bin/env python3
"""Writes seeds from a served demo: seeds.py NETWORK_FOLDER URL CORPUS_FOLDER"""

import json
import pathlib
import sys
import urllib.error
import urllib.request

network, url, corpus = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
root = pathlib.Path(__file__).resolve().parent.parent


def get(target, token=None):
    request = urllib.request.Request(url + target)
    if token:
        request.add_header("Authorization", "Bearer " + token)
    return urllib.request.urlopen(request).read()


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def seed(target, name, content):
    folder = corpus / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


seed("genesis", "genesis.json", (network / "genesis.json").read_bytes())
seed("checkpoint", "checkpoint.txt", get("/checkpoint"))
for department in json.loads(get("/v1/departments"))[:2]:
    seed("department_document", department["id"] + ".json", canonical(department))

# The demo's questions, by their entries' receipts; the requester's own system may file them.
token = (network / "welfare" / "local.token").read_text().strip()
issuer = (network / "tax" / "local.token").read_text().strip()
named = {}
for received in json.loads(get("/v1/received", issuer)):
    try:
        bundle = json.loads(get(f"/v1/requests/{received['request']}/bundle", token))
    except urllib.error.HTTPError:
        continue
    basis = bundle["request"]["legal_basis"]["kind"]
    named[bundle["request"]["circuit"].split("/")[0] + "-" + basis] = (received["request"], bundle)
for name, (digest, bundle) in named.items():
    seed("bundle", name + ".json", canonical(bundle))
    seed("request", name + ".json", canonical(bundle["request"]))
    seed("answer", name + ".json", canonical(bundle["answer"]))
    seed("query", name + ".json", json.dumps(bundle["request"]["query"]).encode())
    seed("proof", name, bytes.fromhex(bundle["answer"]["proof"]))
    evidence = bundle["answer"]["evidence"]
    if "path" in evidence:
        seed("tree_path", name, bytes.fromhex(evidence["path"]))
    if "signature" in evidence:
        seed("consent_signature", name, bytes.fromhex(evidence["signature"]))
    circuit = bundle["circuit"]
    seed("circuit_document", bundle["request"]["circuit"].replace("/", "-") + ".json", canonical(circuit))
    seed("verifying_key", bundle["request"]["circuit"].replace("/", "-"), bytes.fromhex(circuit["verifying_key"]))
    seed("service", "tax.json", canonical(bundle["service"]))
    seed("document", "service.json", canonical(bundle["service"]))
    if "card" in bundle:
        seed("key_card", "card.json", canonical(bundle["card"]))
        seed("consent_key", "key", bytes.fromhex(bundle["card"]["card"]["key"]))
    for part, receipt in bundle["receipts"].items():
        if isinstance(receipt, dict):
            seed("receipt", part + ".json", canonical(receipt))
            seed("entry", part, bytes.fromhex(receipt["entry"]))
            seed("header", part, bytes.fromhex(receipt["header"]))
            seed("certificate", part, bytes.fromhex(receipt["certificate"]))
    if name.startswith("pseudonymous"):
        seed("offer", "offer.json", get(f"/v1/requests/{digest}/offer", token))
for height in (1, 2, 5):
    seed("block", f"height-{height}", get(f"/v1/chain/blocks/{height}"))

# From vectors and samples of the project.
vector = json.loads((root / "crypto/vectors/envelope-v1.json").read_text())
for name in ("document", "answer"):
    sealed = bytes.fromhex(vector[name])
    seed("envelope", name, sealed)
    seed("envelope_header", name, sealed[2 : 2 + int.from_bytes(sealed[:2], "big")])
seed("payload_stream", "payload", bytes.fromhex(vector["payload"]))
for name in ("tax", "dirty"):
    seed("schema", name + ".json", (root / f"gateway/data/{name}.schema.json").read_bytes())
lines = (root / "gateway/data/tax.csv").read_text().splitlines()[:4]
seed("csv_rows", "tax.csv", ("\n".join(lines) + "\n").encode())

genesis = json.loads((network / "genesis.json").read_text())
seed("validators", "set.json", canonical({"validators": genesis["validators"]}))
# Written by hand.
header, *rows = lines
first = dict(zip(header.split(","), rows[0].split(",")))
row = {key: None if value == "" else json.loads(value) if value[0].isdigit() or value in ("true", "false") else value for key, value in first.items()}
seed("json_lines_rows", "tax.jsonl", json.dumps(row).encode() + b"\n")
seed(
    "citizen_credential",
    "credential.txt",
    b"key=" + b"01" * 64 + b", created=1700000000, nonce=" + b"02" * 16 + b", signature=" + b"03" * 96,
)
seed(
    "config",
    "validator.toml",
    b'departments = ["tax"]\nlisten = "127.0.0.1:8081"\n\n[chain]\nvalidator = "gateway"\n\n[prover]\nwaiting = 8\n\n[limits]\nrequests = 16\n',
)
seed(
    "config",
    "follower.toml",
    b'departments = ["welfare", "labour"]\nlisten = "[::1]:8082"\nproduction = true\n\n[chain]\nfollow = "http://127.0.0.1:8081"\n',
)
for name, text in (("http.txt", "http://127.0.0.1:8080"), ("https.txt", "https://[::1]:8443/")):
    seed("gateway_url", name, text.encode())
ask = {
    "issuer": "tax",
    "dataset": "tax",
    "subject": "101061001312",
    "query": [{"path": ["total_wages_cents"], "predicate": {"$lt": 2000000}}],
    "purpose": "benefit-eligibility",
    "legal_basis": {"kind": "consent"},
    "as_of": "2024-12-31",
    "expires_in": 600,
}
seed("local_ask", "ask.json", json.dumps(ask).encode())
operators = [
    {"path": ["employer_count"], "predicate": {"$between": [1, 3]}},
    {"any_of": [{"path": ["filing_role"], "predicate": {"$exists": True}}, {"path": ["filed_1040"], "predicate": {"$eq": True}}]},
]
seed("query", "operators.json", json.dumps(operators).encode())
seed("padding", "block", b"answer\x80".ljust(8192, b"\0"))
manifest = {"bytes": 3, "name": "notice.txt", "salt": "04" * 32, "sent": "05" * 32, "version": 1}
seed("payload_manifest", "manifest.json", canonical(manifest))
seed("tile_path", "entries.txt", b"tile/entries/x001/234.p/5")
seed("tile_path", "level.txt", b"tile/0/000")
covered = '("@method" "@authority" "@path" "@query" "content-type" "content-digest")'
parameters = ';created=1700000000;expires=1700000060;nonce="{}";keyid="tax:{}";tag="proofgate-v1"'
seed(
    "signature_input",
    "request.txt",
    (
        "content-type: application/json\n"
        "content-digest: sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:\n"
        f"signature-input: proofgate={covered}{parameters.format('A' * 22, '06' * 16)}\n"
        f"signature: proofgate=:{'A' * 86}==:\n"
    ).encode(),
)

// Makes eddsa.json; see eddsa.README.md.
const { createHash } = require("node:crypto")
const { derivePublicKey, signMessage, verifySignature } = require("@zk-kit/eddsa-poseidon")

const MODULUS = 21888242871839275222246405745257275088548364400416034343698204186575808495617n
const EDGES = [0n, 1n, 2n ** 128n, 2n ** 253n, MODULUS - 1n]
const COUNT = 24

const sha256 = (text) => createHash("sha256").update(text).digest()
const hex = (element) => element.toString(16).padStart(64, "0")

const vectors = Array.from({ length: COUNT }, (_, index) => {
    const seed = index === 0 ? Buffer.alloc(32) : sha256(`seed ${index}`)
    const random = BigInt("0x" + sha256(`message ${index}`).toString("hex")) % MODULUS
    const message = EDGES[index] ?? random
    const publicKey = derivePublicKey(seed)
    const signature = signMessage(seed, message)
    if (!verifySignature(message, signature, publicKey)) throw new Error(`vector ${index}`)
    return {
        seed: seed.toString("hex"),
        message: hex(message),
        public_key: publicKey.map(hex).join(""),
        signature: signature.R8.map(hex).join("") + hex(signature.S)
    }
})
console.log(JSON.stringify(vectors, null, 2))

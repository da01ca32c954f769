// npm install circomlibjs@0.1.7 poseidon-lite@0.3.0; node encoding.mjs > encoding.json
//
// Poseidon by two libraries, which must agree; days by counting; nothing from this project.
import { buildPoseidon } from 'circomlibjs';
import * as lite from 'poseidon-lite';
const poseidon = await buildPoseidon();
const P = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;
const hash = (inputs) => {
  const a = poseidon.F.toObject(poseidon(inputs));
  const b = lite['poseidon' + inputs.length](inputs);
  if (a !== b) throw new Error('the two libraries disagree');
  return a;
};
const be = (bytes) => bytes.reduce((n, b) => (n << 8n) | BigInt(b), 0n);
const TAG = be([...Buffer.from('proofgate/v1/string')]);
const string = (json) => {
  const bytes = [...Buffer.from(json.normalize('NFC'), 'utf8')];
  let h = BigInt(bytes.length);
  for (let i = 0; i < bytes.length; i += 31) h = hash([TAG, h, be(bytes.slice(i, i + 31))]);
  return h;
};
// Days by counting, without a date library.
const leap = (y) => y % 4 === 0 && (y % 100 !== 0 || y % 400 === 0);
const date = (s) => {
  const [y, m, d] = s.split('-').map(Number);
  let n = 0;
  for (let i = 1; i < y; i++) n += leap(i) ? 366 : 365;
  const months = [31, leap(y) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
  for (let i = 0; i < m - 1; i++) n += months[i];
  return BigInt(n + d - 1);
};
const OFF = 1n << 63n;
const instant = (s) => {
  const [d, t] = s.slice(0, -1).split('T');
  const [h, m, sec] = t.split(':').map(BigInt);
  return (date(d) - date('1970-01-01')) * 86400n + h * 3600n + m * 60n + sec + OFF;
};
const out = [];
const add = (type, json, element, extra = {}) => out.push({ type, ...extra, json, element: element.toString() });
add('boolean', false, 0n); add('boolean', true, 1n);
for (const i of [0, 1, -1, 100, 101061001312, 9007199254740991, -9007199254740991]) add('integer', i, BigInt(i) + OFF);
for (const s of ['9007199254740992', '-9007199254740992', '9223372036854775807', '-9223372036854775808']) add('integer', s, BigInt(s) + OFF);
for (const d of ['0001-01-01', '1900-01-01', '1970-01-01', '2000-02-29', '2008-11-22', '2024-12-31', '9999-12-31']) add('date', d, date(d));
for (const s of ['0001-01-01T00:00:00Z', '1969-12-31T23:59:59Z', '1970-01-01T00:00:00Z', '2024-02-29T12:34:56Z', '9999-12-31T23:59:59Z']) add('instant', s, instant(s));
const values = ['none', 'sole', 'joint_primary', 'joint_spouse'];
values.forEach((v, i) => add('enum', v, BigInt(i + 1), { values }));
const strings = ['a', 'Smith', "O'Brien", 'M\u00fcller', 'Mu\u0308ller', '\u674e\u5c0f\u9f8d', '\u0645\u062d\u0645\u062f', '00123', '\u{1f600}',
  '0123456789012345678901234567890', '01234567890123456789012345678901', 'A'.repeat(62), 'A'.repeat(63), '\u00e9'.repeat(512)];
for (const s of strings) add('string', s, string(s));
for (const type of ['boolean', 'integer', 'date', 'instant', 'string']) add(type, null, P - 1n);
console.log('[\n' + out.map((v) => '  ' + JSON.stringify(v)).join(',\n') + '\n]');

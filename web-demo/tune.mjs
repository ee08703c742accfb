// A piece of music as a WAV file, computed: the first prelude of Bach's Well-Tempered Clavier (BWV 846), plucked.
//
// Only additions and multiplications of doubles, which IEEE 754 rounds the same everywhere, and no Math.sin: the file
// is the same byte for byte on every machine, so that its hash can be written down.

const SAMPLE_RATE = 22_050;
/** Seconds of one sixteenth note. */
const STEP = 0.205;
/** Seconds after which a plucked note has died away. */
const RING = 2.6;
const SEMITONE = 1.0594630943592953; // 2 ** (1 / 12)
const TAU = 6.283185307179586;

/** Five notes make a bar: low, second, then the upper three; each bar is played twice. */
const BARS = `
  C4 E4 G4 C5 E5   | C4 D4 A4 D5 F5   | B3 D4 G4 D5 F5   | C4 E4 G4 C5 E5   | C4 E4 A4 E5 A5   | C4 D4 F#4 A4 D5
  B3 D4 G4 D5 G5   | B3 C4 E4 G4 C5   | A3 C4 E4 G4 C5   | D3 A3 D4 F#4 C5  | G3 B3 D4 G4 B4   | G3 Bb3 E4 G4 C#5
  F3 A3 D4 A4 D5   | F3 Ab3 D4 F4 B4  | E3 G3 C4 G4 C5   | E3 F3 A3 C4 F4   | D3 F3 A3 C4 F4   | G2 D3 G3 B3 F4
  C3 E3 G3 C4 E4   | C3 G3 Bb3 C4 E4  | F2 F3 A3 C4 E4   | F#2 C3 A3 C4 Eb4 | Ab2 F3 B3 C4 D4  | G2 F3 G3 B3 D4
  G2 E3 G3 C4 E4   | G2 D3 G3 C4 F4   | G2 D3 G3 B3 F4   | G2 Eb3 A3 C4 F#4 | G2 E3 G3 C4 G4   | G2 D3 G3 C4 F4
  G2 D3 G3 B3 F4   | C2 C3 G3 Bb3 E4`;
/** The last bars go their own way: sixteen notes each, then a chord. */
const ENDING = ["C2 C3 F3 A3 C4 F4 C4 A3 C4 A3 F3 A3 F3 D3 F3 D3", "C2 B2 G4 B4 D5 F5 D5 B4 D5 B4 G4 B4 D4 F4 E4 D4"];
const CHORD = "C2 C3 E4 G4 C5";

const words = (line) => line.trim().split(/\s+/);

/** Semitones from A4 of a name such as "F#4" or "Bb3". */
function semitonesFromA4(name) {
  const [, letter, accidental, octave] = /^([A-G])(#|b)?(\d)$/.exec(name);
  const inOctave = { C: 0, D: 2, E: 4, F: 5, G: 7, A: 9, B: 11 }[letter];
  return inOctave + (accidental === "#" ? 1 : accidental === "b" ? -1 : 0) + 12 * (Number(octave) - 4) - 9;
}

function frequency(name) {
  let hertz = 440;
  for (let n = semitonesFromA4(name); n !== 0; n -= Math.sign(n)) hertz *= n > 0 ? SEMITONE : 1 / SEMITONE;
  return hertz;
}

/** Sine and cosine of an angle in 0..π/2 by their series. */
function sineAndCosine(angle) {
  let [sine, cosine, term] = [0, 0, 1];
  for (let n = 0; n < 24; n += 1) {
    const sign = n % 4 < 2 ? 1 : -1;
    if (n % 2 === 0) cosine += sign * term;
    else sine += sign * term;
    term *= angle / (n + 1);
  }
  return [sine, cosine];
}

/** The samples of one plucked string: eight partials, the higher the softer and the sooner gone. */
function pluck(name) {
  const length = Math.floor(RING * SAMPLE_RATE);
  const samples = new Float64Array(length);
  const base = frequency(name);
  for (let partial = 1; partial <= 8 && base * partial < SAMPLE_RATE / 2.2; partial += 1) {
    const [turnSine, turnCosine] = sineAndCosine((TAU * base * partial) / SAMPLE_RATE / 8);
    let [sine, cosine] = [turnSine, turnCosine];
    for (let doubling = 0; doubling < 3; doubling += 1)
      [sine, cosine] = [2 * sine * cosine, cosine * cosine - sine * sine];
    // per sample; low strings ring longer
    const decay = 1 - (1.1 + 0.55 * partial + base / 500) / SAMPLE_RATE;
    let [y, x, level] = [0, 1, 1 / (partial * partial * 0.55 + 0.45)];
    for (let i = 0; i < length; i += 1) {
      samples[i] += y * level;
      [x, y] = [x * cosine - y * sine, x * sine + y * cosine];
      level *= decay;
    }
  }
  const attack = Math.floor(0.004 * SAMPLE_RATE);
  for (let i = 0; i < attack; i += 1) samples[i] *= i / attack;
  const release = Math.floor(0.25 * SAMPLE_RATE);
  for (let i = 0; i < release; i += 1) samples[length - 1 - i] *= i / release;
  return samples;
}

/** Every note of the piece as [sixteenth at which it starts, name, loudness]. */
function score() {
  const notes = [];
  let at = 0;
  for (const bar of BARS.split(/[|\n]/).filter((text) => text.trim())) {
    const [low, second, ...upper] = words(bar);
    for (let half = 0; half < 2; half += 1) {
      const order = [low, second, ...upper, ...upper];
      for (const [i, name] of order.entries()) notes.push([at + i, name, i === 0 ? 1 : i === 1 ? 0.82 : 0.7]);
      at += order.length;
    }
  }
  for (const [n, line] of ENDING.entries()) {
    // slower towards the end: a sixteenth takes longer in each of these bars
    const stretch = 1.06 + 0.14 * n;
    for (const [i, name] of words(line).entries()) notes.push([at + i * stretch, name, i === 0 ? 1 : 0.7]);
    at += 16 * stretch;
  }
  for (const [i, name] of words(CHORD).entries()) notes.push([at + i * 0.35, name, 0.9]);
  return notes;
}

/**
 * Synthesises the piece.
 *
 * @returns {Buffer} a WAV file: 16-bit PCM, mono, 22,050 Hz, about 115 s and 5 MB
 */
export function tune() {
  const notes = score();
  const strings = new Map();
  const last = Math.max(...notes.map(([at]) => at));
  const mix = new Float64Array(Math.ceil((last * STEP + RING + 0.5) * SAMPLE_RATE));
  for (const [at, name, loudness] of notes) {
    if (!strings.has(name)) strings.set(name, pluck(name));
    const start = Math.floor(at * STEP * SAMPLE_RATE);
    const samples = strings.get(name);
    for (let i = 0; i < samples.length; i += 1) mix[start + i] += samples[i] * loudness;
  }
  let peak = 0;
  for (const sample of mix) peak = Math.max(peak, Math.abs(sample));

  const file = Buffer.alloc(44 + mix.length * 2);
  file.write("RIFF", 0, "latin1");
  file.writeUInt32LE(file.length - 8, 4);
  file.write("WAVEfmt ", 8, "latin1");
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20); // PCM
  file.writeUInt16LE(1, 22); // mono
  file.writeUInt32LE(SAMPLE_RATE, 24);
  file.writeUInt32LE(SAMPLE_RATE * 2, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(16, 34);
  file.write("data", 36, "latin1");
  file.writeUInt32LE(mix.length * 2, 40);
  const scale = 29_000 / peak;
  for (let i = 0; i < mix.length; i += 1) file.writeInt16LE(Math.round(mix[i] * scale), 44 + i * 2);
  return file;
}

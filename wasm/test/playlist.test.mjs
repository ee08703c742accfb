// HLS playlists as sellers read them, and what each file of a folder is charged for.

import assert from "node:assert/strict";
import { test } from "node:test";

import { folderUnits } from "../dist/folder-units.js";
import { MAX_PLAYLIST, parsePlaylist } from "../dist/playlist.js";
import { random } from "./harness.mjs";
import { coded } from "./seller-harness.mjs";

const parse = (...lines) => parsePlaylist(new TextEncoder().encode(["#EXTM3U", ...lines].join("\n")), "p.m3u8");
const media = (...segments) =>
  parse("#EXT-X-TARGETDURATION:10", ...segments.flatMap(([uri, time]) => [`#EXTINF:${time},`, uri]), "#EXT-X-ENDLIST");

test("a master playlist names streams and what goes with them", () => {
  const playlist = parse(
    "#EXT-X-VERSION:6",
    "# made by hand",
    '#EXT-X-SESSION-KEY:METHOD=AES-128,URI="session.key"',
    '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English, original",DEFAULT=YES,URI="en/audio.m3u8"',
    '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="Deutsch",URI="de.m3u8"',
    '#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="c",NAME="cc",INSTREAM-ID="CC1"',
    '#EXT-X-STREAM-INF:BANDWIDTH=1280000,CODECS="avc1.4d401f,mp4a.40.2",AUDIO="a"',
    "low/index.m3u8",
    "",
    "#EXT-X-STREAM-INF:BANDWIDTH=2560000",
    "high/index.m3u8",
    '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=100,URI="iframes.m3u8"',
  );
  assert.deepEqual(playlist, {
    segments: [],
    variants: ["low/index.m3u8", "high/index.m3u8", "iframes.m3u8"],
    renditions: [
      { uri: "en/audio.m3u8", type: "AUDIO" },
      { uri: "de.m3u8", type: "SUBTITLES" },
    ],
    maps: [],
    keys: ["session.key"],
  });
});

test("a media playlist names segments with exact durations, and what they need", () => {
  const text = [
    "#EXTM3U",
    "#EXT-X-TARGETDURATION:7",
    '#EXT-X-MAP:URI="init.mp4"',
    '#EXT-X-KEY:METHOD=AES-128,URI="1.key",IV=0x00',
    "#EXTINF:6.006,A title, with a comma",
    "0.m4s",
    "#EXTINF:6",
    "1.m4s",
    "#EXT-X-KEY:METHOD=NONE",
    "#EXT-X-DISCONTINUITY",
    "#EXTINF:0.1234567,",
    "#EXT-X-PROGRAM-DATE-TIME:2020-01-01T00:00:00Z",
    "2.m4s?x=1",
    "#EXT-X-ENDLIST",
    "",
  ].join("\r\n");
  assert.deepEqual(parsePlaylist(new TextEncoder().encode(text), "p.m3u8"), {
    segments: [
      { uri: "0.m4s", duration: 6_006_000 },
      { uri: "1.m4s", duration: 6_000_000 },
      { uri: "2.m4s?x=1", duration: 123_456 },
    ],
    variants: [],
    renditions: [],
    maps: ["init.mp4"],
    keys: ["1.key"],
  });
});

test("what cannot be sold by the file is refused, and said why", () => {
  const refused = [
    [["#EXTINF:6,", "#EXT-X-BYTERANGE:75232@0", "a.ts", "#EXT-X-ENDLIST"], "PLAYLIST_BYTE_RANGE", 3],
    [['#EXT-X-MAP:URI="a.mp4",BYTERANGE="615@0"', "#EXT-X-ENDLIST"], "PLAYLIST_BYTE_RANGE", 2],
    [["#EXTINF:6,", "a.ts"], "PLAYLIST_UNSUPPORTED"],
    [['#EXT-X-PART:DURATION=0.3,URI="a.ts"', "#EXT-X-ENDLIST"], "PLAYLIST_UNSUPPORTED", 2],
    [['#EXT-X-DEFINE:NAME="a",VALUE="b"', "#EXT-X-ENDLIST"], "PLAYLIST_UNSUPPORTED", 2],
    [["a.ts", "#EXT-X-ENDLIST"], "PLAYLIST_MALFORMED", 2],
    [["#EXTINF:6,", "a.ts", "b.ts", "#EXT-X-ENDLIST"], "PLAYLIST_MALFORMED", 4],
    [["#EXTINF:6,", "#EXTINF:6,", "b.ts", "#EXT-X-ENDLIST"], "PLAYLIST_MALFORMED", 3],
    [["#EXTINF:6,", "#EXT-X-STREAM-INF:BANDWIDTH=1", "b.ts"], "PLAYLIST_MALFORMED", 3],
    [["#EXTINF:6,", "#EXT-X-ENDLIST"], "PLAYLIST_MALFORMED"],
    [["#EXT-X-STREAM-INF:BANDWIDTH=1", "a.m3u8", "#EXTINF:1,", "b.ts"], "PLAYLIST_MALFORMED"],
    ...["", "-1", "1e9", "NaN", "6s", "0x10", "99999999", "1.", "1,5,".replace(",", ";")].map((value) => [
      [`#EXTINF:${value}`, "a.ts", "#EXT-X-ENDLIST"],
      "PLAYLIST_MALFORMED",
      2,
    ]),
    ...["METHOD=AES-128", 'METHOD=AES-128,URI=""', "URI", 'URI="a', "=", "A=1,A=2", 'METHOD="x"y'].map((value) => [
      [`#EXT-X-KEY:${value}`, "#EXT-X-ENDLIST"],
      "PLAYLIST_MALFORMED",
      2,
    ]),
    [[`#${"x".repeat(9_000)}`, "#EXT-X-ENDLIST"], "PLAYLIST_MALFORMED", 2],
  ];
  for (const [lines, code, line] of refused)
    assert.throws(() => parse(...lines), coded(code, { path: "p.m3u8", ...(line && { line }) }), lines.join(" | "));
  const bytes = (text) => new TextEncoder().encode(text);
  for (const wrong of [
    bytes(""),
    bytes("#EXTM3U8\n#EXT-X-ENDLIST"),
    bytes("\n#EXTM3U\n#EXT-X-ENDLIST"),
    bytes("\ufeff#EXTM3U\n#EXT-X-ENDLIST"),
    bytes("<html>"),
    new Uint8Array([...bytes("#EXTM3U\n#"), 0xff, ...bytes("\n#EXT-X-ENDLIST")]),
    new Uint8Array(MAX_PLAYLIST + 1),
    new Uint8Array(MAX_PLAYLIST),
  ])
    assert.throws(() => parsePlaylist(wrong, "p.m3u8"), coded("PLAYLIST_MALFORMED"));
});

test("whatever the bytes, a playlist is read or refused with a code, and soon", () => {
  const draw = random(23);
  const words = [
    "#EXTM3U",
    "#EXTINF:",
    "6.0,",
    "\n",
    "a.ts",
    "#EXT-X-MAP:",
    'URI="',
    '"',
    ",",
    "=",
    "#EXT-X-ENDLIST",
    "é",
  ];
  for (let round = 0; round < 5_000; round++) {
    let text = draw(4) ? "#EXTM3U\n" : "";
    for (let left = draw(20); left > 0; left--) text += words[draw(words.length)];
    try {
      parsePlaylist(new TextEncoder().encode(text), "p.m3u8");
    } catch (error) {
      assert.match(error.code ?? error.stack, /^PLAYLIST_/);
    }
  }
  // A line of attributes as long as it may be, and as many lines.
  const line = `#EXT-X-KEY:${Array.from({ length: 900 }, (_, at) => `A${at}=1`).join(",")}`;
  const text = `#EXTM3U\n${`${line}\n`.repeat(250)}`;
  assert.throws(() => parsePlaylist(new TextEncoder().encode(text), "p.m3u8"), coded("PLAYLIST_MALFORMED"));
});

const rules = { folderPath: "/film/", unit: "second", isFree: () => false };
const units = (files, playlists, more = {}) => {
  const lengths = new Map(files.map((path) => [path, 100]));
  return Object.fromEntries(folderUnits(lengths, new Map(Object.entries(playlists)), { ...rules, ...more }));
};

test("segments are charged for by where they end on the time line", () => {
  const files = ["p.m3u8", "0", "1", "2", "3", "4"];
  const playlist = media(["0", "6.006"], ["1", "6.006"], ["2", "0.5"], ["3", "5.488"], ["4", "0.001"]);
  // Ends at 6.006, 12.012, 12.512, 18, 18.001.
  assert.deepEqual(units(files, { "p.m3u8": playlist }), { "p.m3u8": 0, 0: 7, 1: 6, 2: 0, 3: 5, 4: 1 });
  assert.deepEqual(units(files, { "p.m3u8": playlist }, { unit: "chunk" }), {
    "p.m3u8": 0,
    0: 1,
    1: 1,
    2: 1,
    3: 1,
    4: 1,
  });
  assert.equal(units(files, { "p.m3u8": playlist }, { unit: "byte" })[3], 100);
  // Tenths of a second add up exactly.
  const many = Array.from({ length: 100 }, (_, at) => [`${at}`, "1.1"]);
  const costs = units([...many.map(([uri]) => uri), "p.m3u8"], { "p.m3u8": media(...many) });
  assert.equal(
    Object.values(costs).reduce((a, b) => a + b),
    110,
  );
});

test("playlists and what they need are free; sound beside a picture is not charged for twice", () => {
  const playlists = {
    "master.m3u8": parse(
      '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="audio/p.m3u8"',
      '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="s",URI="subs/p.m3u8"',
      "#EXT-X-STREAM-INF:BANDWIDTH=1",
      "v0/p.m3u8",
      "#EXT-X-STREAM-INF:BANDWIDTH=2",
      "/film/v1/p.m3u8?token=1#x",
    ),
    "v0/p.m3u8": parse(
      '#EXT-X-MAP:URI="init.mp4"',
      '#EXT-X-KEY:METHOD=AES-128,URI="../keys/1"',
      "#EXTINF:4,",
      "0.m4s",
      '#EXT-X-KEY:METHOD=AES-128,URI="https://keys.example/2"',
      "#EXTINF:2,",
      "%31.m4s",
      "#EXT-X-ENDLIST",
    ),
    "v1/p.m3u8": media(["0.m4s", "4"], ["1.m4s", "2"]),
    "audio/p.m3u8": media(["0.aac", "6"]),
    "subs/p.m3u8": media(["0.txt", "6"]),
  };
  const files = [...Object.keys(playlists), "v0/init.mp4", "keys/1", "v0/0.m4s", "v0/1.m4s", "v1/0.m4s", "v1/1.m4s"];
  files.push("audio/0.aac", "subs/0.txt", "extra.vtt");
  const free = Object.fromEntries(Object.keys(playlists).map((path) => [path, 0]));
  const needed = { "v0/init.mp4": 0, "keys/1": 0, "subs/0.txt": 0, "extra.vtt": 0 };
  const video = { "v0/0.m4s": 4, "v0/1.m4s": 2, "v1/0.m4s": 4, "v1/1.m4s": 2 };
  assert.deepEqual(units(files, playlists), { ...free, ...needed, ...video, "audio/0.aac": 0 });
  const bytes = units(files, playlists, { unit: "byte" });
  assert.deepEqual([bytes["audio/0.aac"], bytes["subs/0.txt"], bytes["v0/init.mp4"]], [100, 0, 0]);
  // Sound alone is what is sold.
  assert.equal(units(["p.m3u8", "0.aac"], { "p.m3u8": media(["0.aac", "6"]) })["0.aac"], 6);
});

test("a file costs what it costs least, and nothing if the seller says so", () => {
  const playlists = { "a.m3u8": media(["x", "1.5"], ["y", "3"]), "b.m3u8": media(["y", "2.5"], ["x", "1.5"]) };
  const costs = units(["a.m3u8", "b.m3u8", "x", "y"], playlists);
  assert.deepEqual([costs.x, costs.y], [1, 3]);
  const isFree = (path) => path === "x" || path === "poster.jpg";
  assert.equal(units(["a.m3u8", "b.m3u8", "x", "y", "poster.jpg"], playlists, { isFree }).x, 0);
});

test("a folder that does not say what it costs is refused", () => {
  const playlist = { "p.m3u8": media(["0", "6"]) };
  const refused = (files, playlists, code, path, more) =>
    assert.throws(() => units(files, playlists, more), coded(code, { path }));
  refused(["p.m3u8", "0", "poster.jpg"], playlist, "FOLDER_FILE_UNPRICED", "poster.jpg");
  refused(["0"], {}, "FOLDER_FILE_UNPRICED", "0");
  refused(["p.m3u8"], playlist, "FOLDER_FILE_MISSING", "p.m3u8");
  refused(["p.m3u8"], playlist, "FOLDER_FILE_MISSING", "p.m3u8", { unit: "byte" });
  for (const uri of [
    "https://elsewhere.example/film/0",
    "//elsewhere.example/film/0",
    "/0",
    "../0",
    "../../f/0",
    "%2e%2e/0",
    "..%2f0",
    "http://[",
    "data:video/mp2t,x",
    "x".repeat(5_000),
  ])
    refused(["p.m3u8", "0"], { "p.m3u8": media([uri, "6"]) }, "FOLDER_FILE_MISSING", "p.m3u8");
  const short = { "p.m3u8": media(["0", "0.5"], ["1", "0.9"]) };
  refused(["p.m3u8", "0", "1"], short, "PLAYLIST_SHORT_SEGMENTS", "p.m3u8");
  assert.equal(units(["p.m3u8", "0", "1"], short, { unit: "chunk" })[0], 1);
  assert.equal(units(["p.m3u8", "x.ts"], { "p.m3u8": media() }, { unit: "chunk" })["x.ts"], 1);
});

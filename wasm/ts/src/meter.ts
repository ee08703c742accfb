// A film that is paid for by the second while it plays.

import { MillstreamError, checkUrl, isMillstreamError } from "./errors.js";
import { Events } from "./events.js";
import { Film, type FilmOptions } from "./film.js";
import { loaderClass, type HlsLoaderClass } from "./hls-loader.js";
import { MeterAccount, PlayClock } from "./metering.js";
import type { Offer } from "./offer.js";
import type { Wallet } from "./wallet.js";

/** As much of a player of hls.js as the meter uses. */
export interface HlsPlayer {
  loadSource(url: string): void;
  attachMedia(media: HTMLMediaElement): void;
  startLoad(startPosition?: number): void;
  destroy(): void;
}

/** The class of hls.js. */
export interface HlsClass<P extends HlsPlayer = HlsPlayer> {
  // What its configuration may say is hls.js's to know.
  new (config: never): P;
  isSupported?(): boolean;
}

/** How a film is watched. */
export interface WatchOptions<P extends HlsPlayer = HlsPlayer> extends FilmOptions {
  /** hls.js: then the meter makes the player, attaches the video, and destroys it in the end. */
  Hls?: HlsClass<P> | undefined;
  /** More configuration for that player. */
  config?: object | undefined;
  /**
   * What becomes of a film that plays while its page is hidden: it is paused until the page is shown again, or plays on and
   * is paid for. Default `"pause"`.
   */
  whenHidden?: "pause" | "play" | undefined;
  /** Stops the meter. */
  signal?: AbortSignal | undefined;
}

/** Where a meter is. Only while it is `"playing"` seconds pass. */
export type MeterState = "idle" | "playing" | "paused" | "hidden" | "stalled" | "ended" | "stopped";

/** What a meter tells. */
export interface MeterEvents {
  /** Any of its fields changed. */
  change: void;
  /** It paid, in base units; `index` is the part that it was asked for, if it was for one. */
  payment: { amount: bigint; paid: bigint; index: number | undefined };
  /** Something could not be loaded, paid or told. If it was about paying, the video is paused. */
  error: { error: MillstreamError };
}

/** How often the seller is told of payments that no request brings, in milliseconds. */
const TELL_AFTER = 5_000;
/** `HTMLMediaElement.HAVE_FUTURE_DATA`: it can go on. */
const HAVE_FUTURE_DATA = 3;
const EVENTS = [
  "play",
  "playing",
  "pause",
  "waiting",
  "seeking",
  "seeked",
  "ended",
  "timeupdate",
  "ratechange",
  "emptied",
];

/** See {@link Wallet.watch}. */
export class Meter<P extends HlsPlayer = HlsPlayer> {
  /** For `new Hls({ loader })`, if the meter does not make the player: loads everything, and pays. */
  readonly loader: HlsLoaderClass;
  /** The player, if the meter made one. */
  readonly player: P | undefined;
  readonly #video: HTMLMediaElement;
  readonly #film: Film;
  readonly #whenHidden: "pause" | "play";
  readonly #events = new Events<MeterEvents>();
  readonly #clock = new PlayClock();
  readonly #account = new MeterAccount();
  readonly #loading = new AbortController();
  readonly #unlisten: (() => void)[] = [];
  #state: MeterState = "idle";
  #isStalled = false;
  /** Whether the page was hidden while it played, so that it goes on when it is shown again. */
  #isHidden = false;
  /** Whether the player gave up, and has to be started again. */
  #hasFailed = false;
  /** Whether a payment was refused: it is tried again when the film is played on. */
  #isRefused = false;
  #paying: Promise<void> | undefined;
  #telling: ReturnType<typeof setTimeout> | undefined;
  #stopped: Promise<void> | undefined;

  /** @internal */
  constructor(wallet: Wallet, video: HTMLMediaElement, url: string | URL, options: WatchOptions<P> = {}) {
    const { Hls, config = {}, whenHidden = "pause", signal } = options;
    const source = checkUrl(new URL(url, video.ownerDocument.baseURI), "url").href;
    if (Hls?.isSupported?.() === false)
      throw new MillstreamError(
        "WATCH_UNSUPPORTED",
        "this browser cannot play what hls.js plays: it has no media sources",
      );
    this.#video = video;
    this.#whenHidden = whenHidden;
    this.#film = new Film(wallet, source, options, this.#loading.signal, {
      asked: (amount) => {
        this.#account.ask(amount);
        this.#change();
      },
      paid: (amount, index) => {
        this.#account.pay(amount);
        this.#events.emit("payment", { amount, paid: this.paid, index });
        this.#change();
      },
    });
    this.#film.ready.catch((error: unknown) => this.#failed(error));
    this.loader = loaderClass(async (request) => {
      try {
        return await this.#film.load(request);
      } catch (error) {
        if (!request.signal.aborted) {
          this.#hasFailed = true;
          this.#failed(error);
        }
        throw error;
      }
    });
    for (const name of EVENTS) this.#listen(video, name, () => this.#look(name));
    this.#listen(video.ownerDocument, "visibilitychange", () => this.#show());
    if (signal) this.#listen(signal, "abort", () => this.#stopAlone());
    if (signal?.aborted) this.#stopAlone();
    else if (Hls) {
      this.player = new Hls({ ...config, loader: this.loader } as never);
      this.player.attachMedia(video);
      this.player.loadSource(source);
    }
  }

  get state(): MeterState {
    return this.#state;
  }

  /** What the seller asks, once it is known; nothing for a film that is free. */
  get offer(): Offer | undefined {
    return this.#film.offer;
  }

  /** How much was played, in seconds of the film. */
  get seconds(): number {
    return this.#clock.played;
  }

  /** What this meter paid, in base units. */
  get paid(): bigint {
    return this.#account.paid;
  }

  /** What was fetched on the seller's credit and is not paid, in base units. */
  get owed(): bigint {
    return this.#film.owed;
  }

  /** What is paid for parts that have not arrived, in base units. */
  get atRisk(): bigint {
    return this.#film.atRisk;
  }

  /** Calls `listener` with every such event until the function returned is called. */
  on<K extends keyof MeterEvents>(event: K, listener: (event: MeterEvents[K]) => void): () => void {
    return this.#events.on(event, listener);
  }

  /**
   * Ends it: destroys the player that it made, pays for what was seen, and brings the seller the last payments. What was
   * fetched and not played stays on the seller's credit ({@link owed}), to be paid when it is played another time; with
   * `settle` it is paid now. A film that was watched to its end is settled by itself.
   *
   * @throws {MillstreamError} what `channel.pay` throws; `SELLER_UNREACHABLE`, `SELLER_REFUSED`: the payments were made, and
   *   the next request brings them
   */
  stop({ settle = false }: { settle?: boolean } = {}): Promise<void> {
    return (this.#stopped ??= this.#stop(settle));
  }

  /** Ends it without waiting: what goes wrong is told as `error`. */
  [Symbol.dispose](): void {
    this.#stopAlone();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  // A signal for all of them would look like a leak.
  #listen(target: EventTarget, name: string, listener: () => void): void {
    target.addEventListener(name, listener);
    this.#unlisten.push(() => target.removeEventListener(name, listener));
  }

  #stopAlone(): void {
    this.stop().catch((error: unknown) => this.#failed(error));
  }

  async #stop(settle: boolean): Promise<void> {
    this.#look("stop");
    const isOver = this.#state === "ended";
    for (const off of this.#unlisten) off();
    this.#loading.abort();
    clearTimeout(this.#telling);
    this.#state = "stopped";
    this.player?.destroy();
    this.#events.emit("change", undefined);
    await this.#paying;
    await this.#film.settle(settle || isOver ? this.owed : this.#account.due(this.#clock.seen, this.#price));
    await this.#film.tell();
    this.#events.emit("change", undefined);
  }

  /** Something happened to the video: counts what was played up to now. */
  #look(event: string): void {
    const { currentTime: media, playbackRate: rate } = this.#video;
    // A jump is over when it begins: the position is that of its end.
    if (event === "seeking" || event === "emptied") this.#clock.stand();
    else if (this.#state === "playing") this.#clock.run({ media, rate, wall: performance.now() / 1_000 });
    if (event === "waiting") this.#isStalled = true;
    else if (event === "playing" || event === "timeupdate" || event === "seeked") this.#isStalled = false;
    const before = this.#state;
    this.#state = this.#stateNow();
    if (this.#state !== "playing") this.#clock.stand();
    else if (before !== "playing") this.#clock.run({ media, rate, wall: performance.now() / 1_000 });
    // Who plays on after something failed wants it tried again.
    if (event === "playing") this.#isRefused = false;
    if (event === "play" && this.#hasFailed) {
      this.#hasFailed = false;
      this.player?.startLoad();
    }
    this.#pay();
    if (before !== this.#state || event === "timeupdate") this.#change();
  }

  #stateNow(): MeterState {
    const { ended, paused, seeking, readyState } = this.#video;
    if (ended) return "ended";
    if (this.#isHidden) return "hidden";
    if (paused) return this.seconds > 0 ? "paused" : "idle";
    return seeking || this.#isStalled || readyState < HAVE_FUTURE_DATA ? "stalled" : "playing";
  }

  /** The page was hidden or shown. */
  #show(): void {
    const { hidden } = this.#video.ownerDocument;
    if (hidden && this.#whenHidden === "pause" && !this.#video.paused) {
      this.#look("hidden");
      this.#isHidden = true;
      this.#video.pause();
    }
    if (!hidden && this.#isHidden) {
      this.#isHidden = false;
      // A browser may not let it: then it stays paused.
      this.#video.play().catch(() => {});
    }
    this.#look("visibility");
  }

  /** Pays for what was played, one payment after the other. */
  #pay(): void {
    const due = this.#state === "ended" ? this.owed : this.#account.due(this.#clock.seen, this.#price);
    if (due === 0n || this.owed === 0n || this.#paying || this.#isRefused) return;
    this.#paying = this.#film
      .settle(due)
      .catch((error: unknown) => {
        this.#isRefused = true;
        this.#video.pause();
        this.#failed(error);
      })
      .finally(() => {
        this.#paying = undefined;
        this.#tellLater();
      });
  }

  #tellLater(): void {
    if (!this.#film.isUntold || this.#telling !== undefined || this.#stopped) return;
    const tell = () => {
      this.#telling = undefined;
      this.#film.tell().catch((error: unknown) => this.#failed(error));
    };
    this.#telling = setTimeout(tell, this.#state === "ended" ? 0 : TELL_AFTER);
  }

  /** Of a second, in base units; nothing as long as it is not known, or if seconds are not what is paid for. */
  get #price(): bigint {
    const { unit, price } = this.offer ?? {};
    return unit === "second" && price !== undefined ? price : 0n;
  }

  #failed(error: unknown): void {
    if (this.#loading.signal.aborted && isMillstreamError(error) && error.code === "ABORTED") return;
    const known = isMillstreamError(error)
      ? error
      : new MillstreamError("WATCH_FAILED", String(error), { cause: error });
    this.#events.emit("error", { error: known });
  }

  #change(): void {
    if (!this.#stopped) this.#events.emit("change", undefined);
  }
}

// What hls.js 1.x asks of a loader, with types of the same shape, so that it is no dependency of the package.

import { isMillstreamError } from "./errors.js";

/** What hls.js wants to have. */
export interface HlsLoaderContext {
  url: string;
  /** `arraybuffer` for media, `json`, or text. */
  responseType: string;
  headers?: Record<string, string>;
  /** Of its first byte. */
  rangeStart?: number;
  /** Of the byte after its last one. */
  rangeEnd?: number;
}

/** How hls.js measures a load: times in milliseconds. */
export interface HlsLoaderStats {
  aborted: boolean;
  loaded: number;
  retry: number;
  total: number;
  chunkCount: number;
  bwEstimate: number;
  loading: { start: number; first: number; end: number };
  parsing: { start: number; end: number };
  buffering: { start: number; first: number; end: number };
}

/** How long hls.js waits. */
export interface HlsLoaderConfiguration {
  loadPolicy: { maxLoadTimeMs: number };
}

/** Whom a loader tells. */
export interface HlsLoaderCallbacks<T> {
  onSuccess(
    response: { url: string; data: string | ArrayBuffer | object; code: number },
    stats: HlsLoaderStats,
    context: T,
    networkDetails: null,
  ): void;
  onError(error: { code: number; text: string }, context: T, networkDetails: null, stats: HlsLoaderStats): void;
  onTimeout(stats: HlsLoaderStats, context: T, networkDetails: null): void;
  onAbort?(stats: HlsLoaderStats, context: T, networkDetails: null): void;
  onProgress?(stats: HlsLoaderStats, context: T, data: string | ArrayBuffer, networkDetails: null): void;
}

/** Loads one thing. */
export interface HlsLoader<T extends HlsLoaderContext = HlsLoaderContext> {
  context: T | null;
  stats: HlsLoaderStats;
  load(context: T, config: HlsLoaderConfiguration, callbacks: HlsLoaderCallbacks<T>): void;
  abort(): void;
  destroy(): void;
}

/** What `new Hls({ loader })` takes. */
export type HlsLoaderClass = new <T extends HlsLoaderContext = HlsLoaderContext>(config: unknown) => HlsLoader<T>;

/** What is to be loaded. */
export interface LoadRequest {
  readonly url: string;
  readonly isMedia: boolean;
  readonly headers: Readonly<Record<string, string>>;
  /** First byte, and the one after the last. */
  readonly range: readonly [number, number] | undefined;
  readonly signal: AbortSignal;
  /** Told how many bytes came so far. */
  readonly onData: (received: number) => void;
}

/** What was loaded. */
export interface LoadAnswer {
  /** Where it came from in the end. */
  readonly url: string;
  readonly status: number;
  readonly bytes: Uint8Array;
}

/** Makes the class of loaders that load with `load`. */
export function loaderClass(load: (request: LoadRequest) => Promise<LoadAnswer>): HlsLoaderClass {
  return class PayingLoader<T extends HlsLoaderContext> implements HlsLoader<T> {
    context: T | null = null;
    stats: HlsLoaderStats = {
      aborted: false,
      loaded: 0,
      retry: 0,
      total: 0,
      chunkCount: 0,
      bwEstimate: 0,
      loading: { start: 0, first: 0, end: 0 },
      parsing: { start: 0, end: 0 },
      buffering: { start: 0, first: 0, end: 0 },
    };
    readonly #ended = new AbortController();
    #callbacks: HlsLoaderCallbacks<T> | undefined;
    #timer: ReturnType<typeof setTimeout> | undefined;

    load(context: T, config: HlsLoaderConfiguration, callbacks: HlsLoaderCallbacks<T>): void {
      if (this.stats.loading.start > 0) throw new Error("a loader loads once");
      this.context = context;
      this.#callbacks = callbacks;
      this.stats.loading.start = performance.now();
      const { maxLoadTimeMs } = config.loadPolicy;
      if (Number.isFinite(maxLoadTimeMs)) this.#timer = setTimeout(() => this.#timeout(context), maxLoadTimeMs);
      void this.#run(context);
    }

    abort(): void {
      const { context, stats } = this;
      const callbacks = this.#end();
      if (context) callbacks?.onAbort?.(stats, context, null);
    }

    destroy(): void {
      this.#end();
      this.context = null;
    }

    async #run(context: T): Promise<void> {
      const { stats } = this;
      const { url, responseType, headers = {}, rangeStart = 0, rangeEnd } = context;
      try {
        const answer = await load({
          url,
          isMedia: responseType === "arraybuffer",
          headers,
          range: rangeEnd ? [rangeStart, rangeEnd] : undefined,
          signal: this.#ended.signal,
          onData: (received) => {
            stats.loading.first ||= performance.now();
            stats.loaded = received;
          },
        });
        const callbacks = this.#finish();
        if (!callbacks) return;
        stats.loading.end = performance.now();
        stats.loading.first ||= stats.loading.end;
        stats.loaded = stats.total = answer.bytes.length;
        const data = dataOf(answer.bytes, responseType);
        if (typeof data === "string" || data instanceof ArrayBuffer) callbacks.onProgress?.(stats, context, data, null);
        callbacks.onSuccess({ url: answer.url, data, code: answer.status }, stats, context, null);
      } catch (error) {
        const { status } = isMillstreamError(error) ? error.details : {};
        const text = error instanceof Error ? error.message : String(error);
        // hls.js gives up at a status of 4xx. What has no status was tried often enough, too: it is about money, or lies.
        this.#finish()?.onError({ code: status ?? 402, text }, context, null, stats);
      }
    }

    #timeout(context: T): void {
      const { stats } = this;
      this.#end()?.onTimeout(stats, context, null);
    }

    /** Ends what is under way. @returns whom to tell, if it was not over */
    #end(): HlsLoaderCallbacks<T> | undefined {
      const callbacks = this.#finish();
      if (callbacks) this.stats.aborted = true;
      this.#ended.abort();
      return callbacks;
    }

    #finish(): HlsLoaderCallbacks<T> | undefined {
      clearTimeout(this.#timer);
      const callbacks = this.#callbacks;
      this.#callbacks = undefined;
      return callbacks;
    }
  };
}

/** In the form that hls.js asks for. */
function dataOf(bytes: Uint8Array, responseType: string): string | ArrayBuffer | object {
  if (responseType === "arraybuffer") {
    // Handed over to a worker: it must be all of it, and nobody else's.
    const { buffer, byteLength } = bytes;
    return byteLength === buffer.byteLength && buffer instanceof ArrayBuffer ? buffer : bytes.slice().buffer;
  }
  const text = new TextDecoder().decode(bytes);
  return responseType === "json" ? (JSON.parse(text) as object) : text;
}

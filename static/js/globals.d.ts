/** Types for `tsc --checkJs`. No browser loads this file. */

/** The parts of htmx that the scripts call. */
declare const htmx: {
  process(element: Element): void;
  trigger(element: Element, event: string): void;
  defineExtension(
    name: string,
    extension: {
      isInlineSwap(style: string): boolean;
      handleSwap(style: string, target: HTMLElement, fragment: DocumentFragment): Element[] | false;
    },
  ): void;
};

/** The detail of htmx's events, as far as the scripts read it. */
interface HtmxDetail {
  elt: HTMLElement;
  target: HTMLElement;
  xhr: XMLHttpRequest;
  requestConfig: { elt: HTMLElement; verb: string };
  /** Only of `htmx:beforeSwap`; may be set to false. */
  shouldSwap: boolean;
  /** Only of `htmx:beforeSwap`: the reply's HTML. */
  serverResponse: string;
  /** Only of `htmx:afterRequest`. */
  successful: boolean;
}

/** Changes of one view of the feed. A member is absent where nothing changed. */
interface FeedNews {
  /** The query string that names the view. */
  query: string;
  /** HTML of changed and new rows, by key. */
  rows?: Record<string, string>;
  /** HTML of the row that stands for a row which left, by key. */
  gone?: Record<string, string>;
  /** The keys of all rows of the page, in order. */
  order?: string[];
  /** Texts of the sidebar's counts, by the name of the count. */
  counts?: Record<string, string>;
  pills?: string;
  end?: string;
  storm?: string;
  worst?: string;
  icon?: string;
  matching_count?: number | null;
  last_event?: string;
}

interface DocumentEventMap {
  "console:backlog": CustomEvent<string>;
  "console:begun": CustomEvent<unknown>;
  "console:feed": CustomEvent<FeedNews>;
  "console:pause": CustomEvent<boolean>;
  "console:waiting": CustomEvent<number>;
  "console:refreshed": Event;
  "console:times": Event;
  "console:zone": Event;
  "htmx:beforeRequest": CustomEvent<HtmxDetail>;
  "htmx:beforeSend": CustomEvent<HtmxDetail>;
  "htmx:beforeSwap": CustomEvent<HtmxDetail>;
  "htmx:afterSwap": CustomEvent<HtmxDetail>;
  "htmx:afterSettle": CustomEvent<HtmxDetail>;
  "htmx:afterRequest": CustomEvent<HtmxDetail>;
  "htmx:pushedIntoHistory": CustomEvent<unknown>;
  "htmx:responseError": CustomEvent<HtmxDetail>;
  "htmx:sendError": CustomEvent<HtmxDetail>;
}

/**
 * The names of all events that the scripts send or hear.
 *
 * Scripts do not import each other. A script tells the others of a change by an event on `document`, and imports the
 * name of the event from this module. `globals.d.ts` has the type of each event's `detail`.
 */

// --- Events of the console

/**
 * An action on many incidents has begun, or needs a confirmation of its draft.
 * Sent by: the server, in the header `HX-Trigger-After-Settle` (views of bulk actions).
 * Heard by: frame (closes the dialog), selection and keys (clear the selection), live_updates (asks the server).
 */
export const BULK_BEGUN = "console:begun";

/**
 * Correlation fell behind, caught up, or waits with another number of alerts. The detail is the server's word for the
 * state, or empty where a page without a stream asks.
 * Sent by: live_updates. Heard by: behind.
 */
export const BACKLOG = "console:backlog";

/**
 * An incident or an integration of this page has changed.
 * Sent by: live_updates, on `body` through htmx.
 * Heard by: templates, as `hx-trigger="console:changed from:body"`.
 */
export const CHANGED = "console:changed";

/**
 * The server tells changes of the feed. The detail is a `FeedNews`.
 * Sent by: live_updates. Heard by: rows.
 */
export const FEED_NEWS = "console:feed";

/**
 * A person paused or resumed live updates. The detail is true for a pause.
 * Sent by: live_updates. Heard by: rows.
 */
export const PAUSED = "console:pause";

/**
 * Rows wait until nobody reads. The detail is the number of new rows.
 * Sent by: rows. Heard by: live_updates (the words beside the pause button).
 */
export const ROWS_WAITING = "console:waiting";

/**
 * The rows or the open incident have changed on the page.
 * Sent by: rows, open_incident.
 * Heard by: open_incident (marks the row), rows (title and icon of the page), live_updates (tells the server which
 * views are shown), selection (counts again).
 */
export const REFRESHED = "console:refreshed";

/**
 * New `<time>` elements are on the page.
 * Sent by: in_place, rows, wallboard, behind. Heard by: times (writes the times), timeline (draws the axis).
 */
export const TIMES_ADDED = "console:times";

/**
 * Times are written in another time zone from now on.
 * Sent by: times. Heard by: timeline (draws the axis).
 */
export const ZONE_CHANGED = "console:zone";

// --- Events of htmx, in the order of one request: https://htmx.org/events/

/** Heard by: rows (a person's own action may move rows), request_tail (prevents the request while somebody reads). */
export const BEFORE_REQUEST = "htmx:beforeRequest";

/** Heard by: toasts (numbers the requests of the pane). */
export const BEFORE_SEND = "htmx:beforeSend";

/** Heard by: toasts (drops late replies), open_incident (keeps the draft of a comment). */
export const BEFORE_SWAP = "htmx:beforeSwap";

/** Heard by: toasts, frame (opens the dialog), open_incident, whole_swap, timeline. */
export const AFTER_SWAP = "htmx:afterSwap";

/**
 * Heard by: times, copy_buttons, query_suggestions, selection, open_incident, timeline. Each looks for new elements.
 */
export const AFTER_SETTLE = "htmx:afterSettle";

/** Heard by: times (the server's clock), live_updates (whether the server answers). */
export const AFTER_REQUEST = "htmx:afterRequest";

/** Heard by: open_incident (marks the row), live_updates (tells the server), command_box (remembers the search). */
export const PUSHED_INTO_HISTORY = "htmx:pushedIntoHistory";

/** The server replied with an error. Heard by: frame. */
export const RESPONSE_ERROR = "htmx:responseError";

/** The server could not be reached. Heard by: frame. */
export const SEND_ERROR = "htmx:sendError";

// Types of the browser tracker, for portals written in TypeScript: copy this file
// into the project.

/** The event types that a page may send; custom types need the tenant's permission. */
export type PartnerPulseEventType =
  | "portal.login" | "page.viewed" | "content.viewed" | "content.engaged" | "content.downloaded" | "content.shared"
  | "playbook.pinned" | "playbook.unpinned" | "search.performed" | "search.clicked"
  | "training.enrolled" | "training.started" | "training.progressed" | "training.completed" | "training.passed"
  | "training.failed" | "training.certified" | "lead.referred"
  | "deal.registered" | "deal.accepted" | "deal.rejected" | "deal.stage_changed" | "deal.won" | "deal.lost"
  | "meeting.held" | "support.requested" | "support.resolved" | "survey.sent" | "survey.nps_answered"
  | `custom.${string}`;

/** Who is signed in. identity is the token by which the portal's back end says so. */
export interface PartnerPulseIdentity {
  partner?: string;
  user?: string;
  identity?: string;
}

export interface PartnerPulseOptions extends PartnerPulseIdentity {
  /** Browser key. */
  key: string;
  /** Another collector than the one that the script came from. */
  collector?: string;
  /** Staff and tests: stored, not scored. */
  internal?: boolean;
  /** Nothing is stored or sent before consent(true). */
  consent?: "required";
  /** Do not respect Do Not Track and Global Privacy Control. */
  dnt?: "ignore";
  /** Log to the browser's console. */
  debug?: boolean;
  /** Delay of a batch, engagement interval, and first retry, in milliseconds. */
  flushMs?: number;
  heartbeatMs?: number;
  retryMs?: number;
  /** How soon the way back from a content makes the view a quick-back, in milliseconds. */
  quickMs?: number;
  /** A domain: a cookie there shares the visitor's id between its subdomains. None without it. */
  cookie?: string;
}

export interface PartnerPulseContent {
  content_id: string;
  kind?: string;
  version?: string;
  /** Length: words to read, pages, or seconds of media. */
  words?: number;
  pages?: number;
  duration_s?: number;
  playbook_id?: string;
  entry_source?: "search" | "browse" | "email" | "link" | "playbook";
  search_id?: string;
  position?: number;
  /** What shows the content; the whole page when left out. */
  element?: Element;
}

/** A view under way. */
export interface PartnerPulseView {
  view_id: string;
  update(progress: { pages_seen?: number; media_pct?: number }): void;
  end(): void;
}

export interface PartnerPulseEvent {
  id: string;
  type: PartnerPulseEventType;
  /** RFC 3339. */
  time: string;
  partner_id?: string;
  user_id?: string;
  anonymous_id: string;
  session_id: string;
  internal?: true;
  context: Record<string, string | undefined>;
  data: Record<string, unknown>;
}

/** What became of events: see docs/TRACKER.md. */
export type PartnerPulseWhat = "queued" | "sent" | "retry" | "rejected" | "beacon" | "held" | "superseded" | "dropped";

/** Every call returns undefined instead of throwing. */
export interface PartnerPulse {
  readonly version: string;
  init(options: PartnerPulseOptions): void;
  /** Gives the event's id, or undefined when nothing may be sent. */
  track(type: PartnerPulseEventType, data?: Record<string, unknown>): string | undefined;
  page(page?: { path?: string; title?: string }): void;
  content(content: PartnerPulseContent): PartnerPulseView | undefined;
  /** Gives the search id, for searchClick. */
  search(search: { query: string; results_count: number; filters?: Record<string, unknown> }): string | undefined;
  searchClick(click: { content_id: string; position: number; search_id?: string }): void;
  pin(playbook: string, content?: string): void;
  unpin(playbook: string, content?: string): void;
  login(data?: { method?: string; success?: boolean }): string | undefined;
  identify(who: PartnerPulseIdentity): void;
  /** On signing out: forgets user, visitor and session. */
  reset(): void;
  consent(given: boolean): void;
  on(listener: (what: PartnerPulseWhat, events: PartnerPulseEvent[], detail: unknown) => void): void;
  flush(): void;
}

declare global {
  interface Window {
    partnerpulse: PartnerPulse;
  }
  var partnerpulse: PartnerPulse;
}

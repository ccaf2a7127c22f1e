// Package notifier is the reference consumer of the alert topics: it tells people
// through webhooks. It reads transitions as a consumer group, keeps the newest of
// each alert, and composes from them what each endpoint has to be told: grouped by
// channel manager, at once or as a daily digest, again after a week while an alert
// fires, and not while another alert says more.
//
// Its state is in ClickHouse: small, in need of being listed and sent again by hand,
// and backed up with everything else; a compacted topic would have to be read as a
// whole at each start and each listing. Everything written is identified by what it
// is about (alert and transition; endpoint and what is told), so a repetition after
// a crash writes the same row again.
//
// A message is written down before it is sent, and sent until the endpoint accepts
// it or the attempts, over days, are used up. After kill -9 between acceptance and
// record it is sent once more, with the same webhook-id.
//
// Of several processes all read, and the one that has partition 0 of the drop topic
// composes and sends. One that was stopped, and goes on after another has taken over,
// can send the same message again, under the same id, and can write down a message
// that overlaps with the other's; of two that overlap one is sent (supersede).
package notifier
